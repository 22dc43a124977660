"""What is to be set in Microsoft 365 where that is a domain's home server, with the domain's own values:
``domain microsoft-365``.

Everything is shown and nothing is done: this server has no rights there.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import msgspec
from cryptography import x509

from mpcontinuity.accounts import domains
from mpcontinuity.accounts.domains import Domain
from mpcontinuity.control.operation import Control
from mpcontinuity.control.published import public_host
from mpcontinuity.model import hosts
from mpcontinuity.model.settings import Settings
from mpcontinuity.outbound.certificates import NONE

_ONLINE = (".mail.protection.outlook.com", ".mx.microsoft")  # home servers of Exchange Online
# What PowerShell takes for a single quote: these four besides the one of ASCII (about_Quoting_Rules).
_QUOTES = re.compile("(['\u2018\u2019\u201a\u201b])")
_NAME = re.compile(r"(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_LONGEST_NAME = 64  # characters of the name of a connector or a rule
_MOST_NAMES = 20  # of a certificate, that are shown
# Where Exchange Online sends from, as Microsoft lists it ("Exchange Online", port 25). It changes: see the note there.
_NETWORKS = "40.92.0.0/15,40.107.0.0/16,52.100.0.0/14,104.47.0.0/17,2a01:111:f400::/48,2a01:111:f403::/48"


class MicrosoftStep(msgspec.Struct, frozen=True):
    """A step: what it does and why, the lines for Exchange Online PowerShell, the commands for this server, and by what
    it is seen to hold. Each line can be copied as it is."""

    title: str
    why: str
    powershell: list[str]
    here: list[str]
    check: list[str]


class Microsoft365(msgspec.Struct, frozen=True):
    """The steps for one domain, in their order.

    ``host`` is the name by which the world knows this server. ``certificate`` is the name in the certificate that home
    servers are shown, by which its connectors know us; empty where there is none that they could know. ``names`` are
    all names in it. ``expected_home`` is what Microsoft usually calls the domain's mail server, and ``online`` says
    whether its home server is one of theirs. ``notes`` are to be read first.
    """

    domain: str
    host: str
    certificate: str
    names: list[str]
    expected_home: str
    online: bool
    notes: list[str]
    steps: list[MicrosoftStep]


def quoted(text: str) -> str:
    """Returns the text as a literal of PowerShell, in single quotes: nothing in it is looked into."""
    return "'" + _QUOTES.sub(r"\1\1", text) + "'"


async def show(control: Control, name: str) -> Microsoft365:
    """Returns what is to be set in Microsoft 365 for a domain, as lines to copy.

    Raises Refused for a domain that is not here.
    """
    domain = await control.store.read(partial(domains.known, name=name))
    settings = control.settings
    path = domain.settings.home_tls_certificate or settings.tls.certificate
    names, authority = await control.compute(partial(_certificate, "" if path == NONE else path))
    host = public_host(settings) or settings.hostname
    chosen = host if host in names else next(iter(names), "")
    online = any(hosts.split(home, 25)[0].lower().endswith(_ONLINE) for home in domain.settings.home)
    steps = [
        _home(domain, online),
        _inbound(domain, chosen or host),
        _filtering(domain),
        _tested(domain),
        _reports(),
        _outbound(domain, host, settings),
        _direct_send(domain),
    ]
    notes = _notes(domain, chosen, authority)
    return Microsoft365(domain.name, host, chosen, names[:_MOST_NAMES], _expected(domain), online, notes, steps)


def _notes(domain: Domain, certificate: str, authority: bool) -> list[str]:
    notes = [
        "The lines are for Exchange Online PowerShell, by an administrator of the tenant: Connect-ExchangeOnline. They "
        "were not run against a tenant by those who wrote them: try them on a quiet day."
    ]
    if not certificate:
        notes.append(
            "Home servers are shown no certificate with a name in it: connectors cannot know this server by one."
        )
    elif not authority:
        notes.append(
            "The certificate is self-signed. Microsoft 365 takes one of a public authority alone: [tls] certificate."
        )
    if len(domain.settings.home) > 1:
        notes.append("The domain has several home servers; what is said here is about Microsoft 365 alone.")
    return notes


def _expected(domain: Domain) -> str:
    """By Microsoft's rule for names without a hyphen; others are numbered or shortened, as the admin centre shows."""
    return f"{domain.name.replace('.', '-')}.mail.protection.outlook.com"


def _inbound_name(domain: Domain) -> str:
    return f"mpcontinuity in {domain.name}"[:_LONGEST_NAME]


def _outbound_name(domain: Domain) -> str:
    return f"mpcontinuity out {domain.name}"[:_LONGEST_NAME]


def _home(domain: Domain, online: bool) -> MicrosoftStep:
    known = "" if online else f" The present home server is {', '.join(domain.settings.home)}."
    return MicrosoftStep(
        "Home server",
        "Mail goes on to the name that the admin centre shows as the MX of the domain (Settings, Domains), always with "
        f"TLS.{known} Exchange Online may take 45 seconds for its last reply: give [home] message_timeout as much.",
        [f"Get-AcceptedDomain -Identity {quoted(domain.name)} | Format-List DomainName,DomainType"],
        [f"mpcontinuity domain set {domain.name} home={_expected(domain)} home-tls=verify"],
        [f"mpcontinuity status {domain.name}"],
    )


def _inbound(domain: Domain, certificate: str) -> MicrosoftStep:
    name = quoted(_inbound_name(domain))
    return MicrosoftStep(
        "Inbound connector, by certificate",
        "Exchange Online knows this server by the name in its certificate, does not hold the senders' SPF against it, "
        "and takes mail of the internet from nobody else. Make it disabled, and enable it once the MX of every domain "
        "of the tenant leads here: from then on it refuses what comes by other ways.",
        [
            f"New-InboundConnector -Name {name} -ConnectorType Partner -SenderDomains '*' -RequireTls $true "
            f"-RestrictDomainsToCertificate $true -TlsSenderCertificateName {quoted(certificate)} -Enabled $false",
            f"Set-InboundConnector -Identity {name} -Enabled $true",
        ],
        [],
        [f"Get-InboundConnector -Identity {name} | Format-List Enabled,TlsSenderCertificateName,EF*"],
    )


def _filtering(domain: Domain) -> MicrosoftStep:
    name = quoted(_inbound_name(domain))
    return MicrosoftStep(
        "Enhanced Filtering for Connectors",
        "Exchange Online looks past this server at the host that the mail came from, so that SPF, DMARC and the spam "
        "filter judge the sender and not us.",
        [f"Set-InboundConnector -Identity {name} -EFSkipLastIP $true -EFUsers $null"],
        [],
        [f"Get-InboundConnector -Identity {name} | Format-List EFSkipLastIP,EFSkipIPs,EFUsers"],
    )


def _tested(domain: Domain) -> MicrosoftStep:
    to = quoted(f"postmaster@{domain.name}")
    return MicrosoftStep(
        "A message through it",
        "A stranger's message, as it is passed on and as it is redelivered after an outage, must be taken and must lie "
        "in the inbox. With --recipient it goes to a mailbox that you can look into.",
        [
            f"Get-MessageTraceV2 -RecipientAddress {to} -StartDate (Get-Date).AddHours(-1) -EndDate (Get-Date) | "
            "Format-Table Received,SenderAddress,Subject,Status,FromIP",
        ],
        [f"mpcontinuity domain test {domain.name}"],
        [],
    )


def _reports() -> MicrosoftStep:
    return MicrosoftStep(
        "Non-delivery reports",
        "What Exchange Online takes from us and cannot deliver after that is reported to its sender by Exchange Online "
        "alone. The remote domain Default decides whether senders outside get those reports.",
        ["Set-RemoteDomain -Identity 'Default' -NDREnabled $true"],
        [],
        ["Get-RemoteDomain -Identity 'Default' | Format-List DomainName,NDREnabled"],
    )


def _outbound(domain: Domain, host: str, settings: Settings) -> MicrosoftStep:
    name = quoted(_outbound_name(domain))
    tenant = domain.settings.home_tenant or domain.name
    return MicrosoftStep(
        "Outbound connector, by certificate",
        "Only where what users send is to be archived here, too: it goes out through this server, whose certificate "
        "Exchange Online verifies. The rule takes mail of this domain alone. Networks are Microsoft's for all tenants, "
        "so home-tenant is needed; see that the list is still theirs (Office 365 URLs and IP address ranges).",
        [
            f"New-OutboundConnector -Name {name} -ConnectorType Partner -IsTransportRuleScoped $true "
            f"-UseMXRecord $false -SmartHosts {quoted(host)} -TlsSettings DomainValidation -TlsDomain {quoted(host)}",
            f"New-TransportRule -Name {name} -SenderDomainIs {quoted(domain.name)} -FromScope InOrganization "
            f"-SentToScope NotInOrganization -RouteMessageOutboundConnector {name}",
        ],
        [f"mpcontinuity domain set {domain.name} home-networks={_NETWORKS} home-tenant={tenant}"],
        [f"Validate-OutboundConnector -Identity {name} -Recipients {quoted(f'postmaster@{domain.name}')}"],
    )


def _direct_send(domain: Domain) -> MicrosoftStep:
    return MicrosoftStep(
        "Reject Direct Send",
        f"Nobody may hand in mail of {domain.name} at Microsoft without a login, past this server. Mail by a connector "
        "is not meant by it. Do it last: devices that send in this way need a connector or a login first.",
        ["Set-OrganizationConfig -RejectDirectSend $true"],
        [],
        ["Get-OrganizationConfig | Format-List RejectDirectSend"],
    )


def _certificate(path: str) -> tuple[list[str], bool]:
    """The names in the certificate that home servers are shown, and whether an authority has issued it."""
    try:
        leaf = x509.load_pem_x509_certificates(Path(path).read_bytes())[0] if path else None
        if leaf is None:
            return [], False
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = [name.lower() for name in extension.value.get_values_for_type(x509.DNSName) if _NAME.fullmatch(name)]
    except (OSError, ValueError, x509.ExtensionNotFound):
        return [], False
    return names, leaf.issuer != leaf.subject
