"""Which of home's folders answers to one of ours: by special use, by usual names, or by the same name. Pure.

Home may have no SPECIAL-USE (RFC 6154), name its folders in any language, and keep them below a prefix such as
``INBOX.``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mpcontinuity.protocols.imap import utf7
from mpcontinuity.protocols.imap.answer import Listed, Namespace

SENT, DRAFTS, JUNK, ARCHIVE, TRASH = "\\Sent", "\\Drafts", "\\Junk", "\\Archive", "\\Trash"
INBOX = "INBOX"

# What mail clients and servers call them, in the languages that Outlook, Thunderbird, Apple Mail, Exchange and the
# large providers come in; the first that home has is taken, and the very first is the name of a new one.
_NAMES = {
    SENT: """Sent|Sent Items|Sent Messages|Sent Mail|Sent-Mail|Sent Objects
        Gesendet|Gesendete Elemente|Gesendete Objekte|Gesendete Nachrichten|Gesendete E-Mails
        Envoyés|Éléments envoyés|Messages envoyés|Objets envoyés|Courrier envoyé
        Enviados|Elementos enviados|Mensajes enviados|Correo enviado|Enviats|Elements enviats
        Inviata|Inviati|Posta inviata|Elementi inviati|Messaggi inviati
        Enviadas|Itens Enviados|Itens enviados|Mensagens enviadas|E-mails enviados|Correio enviado
        Verzonden|Verzonden items|Verzonden berichten|Verstuurd
        Skickat|Skickade|Skickade objekt|Skickade meddelanden|Sendt|Sendt post|Sendte elementer|Sendte meddelelser
        Lähetetyt|Lähetetyt kohteet|Lähetetyt viestit|Sendir hlutir|Saadetud|Nosūtītie|Išsiųsti
        Wysłane|Elementy wysłane|Wysłane wiadomości|Odeslané|Odeslaná pošta|Odoslané|Odoslaná pošta
        Elküldött|Elküldött elemek|Elküldött üzenetek|Trimise|Elemente trimise|Mesaje trimise
        Poslano|Poslane stavke|Poslati|Послато|Изпратени|Изпратени елементи
        Отправленные|Надіслані|Відправлені|Адпраўленыя|Απεσταλμένα|Gönderilmiş|Gönderilmiş Öğeler|Gönderilenler
        送信済み|送信済みアイテム|送信済みメール|送信済みトレイ
        已发送|已发送邮件|已发送项目|已传送|寄件備份|已傳送的郵件
        보낸 편지함|보낸편지함|보낸메일함
        العناصر المرسلة|المرسلة|البريد المرسل|פריטים שנשלחו|נשלח|Đã gửi|Thư đã gửi|ส่งแล้ว|Terkirim|Item Terkirim""",
    DRAFTS: """Drafts|Draft
        Entwürfe|Entwurf|Brouillons|Brouillon|Borradores|Borrador|Esborranys|Bozze|Bozza|Rascunhos|Rascunho
        Concepten|Concept|Utkast|Kladder|Kladde|Luonnokset|Drög|Mustandid|Melnraksti|Juodraščiai
        Szkice|Wersje robocze|Kopie robocze|Koncepty|Rozepsané|Rozpísané|Piszkozatok|Schițe|Ciorne|Skice|Osnutki
        Нацрти|Чернови|Черновики|Чернетки|Чарнавікі|Πρόχειρα|Taslaklar|下書き|草稿|草稿箱|임시 보관함|임시보관함
        المسودات|مسودات|טיוטות|Thư nháp|Nháp|ร่าง|Draf|Konsep""",
    JUNK: """Junk|Junk E-mail|Junk Email|Junk Mail|Junk-E-Mail|Spam|Bulk Mail
        Junk-E-Mail|Spamverdacht|Unerwünscht|Werbung|Courrier indésirable|Indésirables|Pourriel|Pourriels
        Correo no deseado|Correo basura|Correu brossa|Posta indesiderata|Lixo Eletrônico|Lixo Eletrónico|Lixo eletrônico
        Ongewenste e-mail|Ongewenst|Ongewenste reclame|Skräppost|Uønsket e-post|Uønsket mail|Roskaposti
        Wiadomości-śmieci|Niechciane|Wiadomości śmieci|Nevyžádaná pošta|Nevyžiadaná pošta|Levélszemét
        E-mail nedorit|Mesaje nedorite|Neželjena pošta|Нежелательная почта|Спам|Небажана пошта|Ανεπιθύμητα
        Önemsiz E-posta|Gereksiz|迷惑メール|垃圾邮件|垃圾郵件|정크 메일|스팸메일함|스팸|البريد العشوائي|דואר זבל""",
    ARCHIVE: """Archive|Archives|Archiv|Archived|Archivé|Archivo|Archivado|Arxiu|Archivio|Arquivo|Arquivo Morto|Archief
        Arkiv|Arkisto|Archiwum|Archív|Archívum|Archivum|Arhivă|Arhiva|Arhiv|Архив|Архів|Αρχείο|Αρχειοθέτηση|Arşiv
        アーカイブ|归档|封存|存档|보관함|보관|الأرشيف|أرشيف|ארכיון""",
    TRASH: """Trash|Deleted Items|Deleted Messages|Bin|Papierkorb|Gelöscht|Gelöschte Elemente|Gelöschte Objekte
        Corbeille|Éléments supprimés|Papelera|Elementos eliminados|Cestino|Posta eliminata|Lixeira|Itens Excluídos
        Prullenbak|Verwijderde items|Papperskorgen|Slettet post|Roskakori|Kosz|Elementy usunięte|Koš|Lomtár
        Корзина|Удаленные|Κάδος|Çöp Kutusu|Silinmiş Öğeler|ごみ箱|已删除|刪除的郵件|휴지통""",
}
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_INSTEAD = "_"  # of the delimiter of home's names within one of ours
_UNSELECTABLE = {"\\noselect", "\\nonexistent"}


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


_KNOWN = {
    use: tuple(_folded(name.strip()) for line in names.splitlines() for name in line.split("|"))
    for use, names in _NAMES.items()
}


@dataclass(frozen=True, slots=True)
class Target:
    """A folder at home. ``wire`` is its name as IMAP sends it. ``missing``: it is to be made first."""

    wire: bytes
    missing: bool = False

    @property
    def shown(self) -> str:
        """Its name as text."""
        return _decoded(self.wire)


class Folders:
    """The folders of one user at home."""

    def __init__(self, listed: Sequence[Listed], namespace: Namespace) -> None:
        self._listed = [one for one in listed if one.attributes.isdisjoint({"\\nonexistent"})]
        delimiters = [namespace.delimiter, *(one.delimiter for one in listed)]
        self._delimiter = next((delimiter for delimiter in delimiters if delimiter), "")
        self._prefix = _decoded(namespace.prefix)
        self._by_name = {_canonical(one.name, one.delimiter): one for one in self._listed if one.name is not None}

    def target(self, folder: str, use: str, above: str) -> Target:
        r"""Returns where a message in our mailbox ``folder`` belongs.

        ``use`` is the special use of the mailbox, or that of the one ``above`` it, of which it is a part.
        """
        if _canonical(folder, "/") == INBOX:
            return Target(INBOX.encode())
        if use:
            found = self.by_use(use)
            levels = folder.removeprefix(above).strip("/").split("/") if above else []
            if found is not None and not levels:
                return Target(found.wire)
            if found is not None and found.name is not None:
                return self._named(found.name, levels)
            return self._named(self._prefix, [_first(use), *levels])
        levels = folder.split("/")
        if levels[0] == INBOX:
            return self._named(INBOX, levels[1:])
        return self._named(self._prefix, levels)

    def by_use(self, use: str) -> Listed | None:
        r"""Returns the folder of a special use, or None; that for ``\Archive`` may be the one of all messages."""
        usable = [one for one in self._listed if one.attributes.isdisjoint(_UNSELECTABLE)]
        for one in usable:
            if use.lower() in one.attributes:
                return one
        taken = {name.lower() for name in _KNOWN}
        named = {
            _folded(one.name.removeprefix(self._prefix)): one
            for one in usable
            if one.name is not None and one.attributes.isdisjoint(taken)
        }
        for name in _KNOWN.get(use, ()):
            if name in named:
                return named[name]
        if use == ARCHIVE:  # Gmail archives by taking the label INBOX away
            return next((one for one in usable if "\\all" in one.attributes), None)
        return None

    def everywhere(self, first: Iterable[bytes], most: int) -> list[bytes]:
        r"""Returns up to ``most`` folders in which a message may be: these ``first``, then INBOX and the others; only
        the one of all messages, Trash and Junk beside them where there is such."""
        usable = [one for one in self._listed if one.attributes.isdisjoint(_UNSELECTABLE)]
        if any("\\all" in one.attributes for one in usable):
            wanted = {"\\all", "\\trash", "\\junk"}
            usable = [one for one in usable if not one.attributes.isdisjoint(wanted)]
        names = [*first, INBOX.encode(), *(one.wire for one in usable)]
        return list(dict.fromkeys(names))[:most]

    def _named(self, start: str, levels: Sequence[str]) -> Target:
        """Below ``start``, which has the delimiter at its end already where it is a prefix."""
        delimiter = self._delimiter
        parts = [_UNPRINTABLE.sub(_INSTEAD, level) for level in levels]
        if delimiter:
            parts = [part.replace(delimiter, _INSTEAD) for part in parts]
        separator = delimiter if start and not start.endswith(delimiter or "/") else ""
        name = start + separator + (delimiter or _INSTEAD).join(parts)
        found = self._by_name.get(_canonical(name, delimiter))
        if found is not None:
            return Target(found.wire, missing=not found.attributes.isdisjoint(_UNSELECTABLE))
        return Target(utf7.encode(unicodedata.normalize("NFC", name)), missing=True)


def _canonical(name: str, delimiter: str) -> str:
    """In NFC, and INBOX in capitals, by which names are compared (RFC 9051 §5.1)."""
    name = unicodedata.normalize("NFC", name)
    first, separator, rest = name.partition(delimiter) if delimiter else (name, "", "")
    return (INBOX if first.isascii() and first.upper() == INBOX else first) + separator + rest


def _decoded(wire: bytes) -> str:
    try:
        return utf7.decode(wire)
    except ValueError:
        return wire.decode("utf-8", "replace")


def _first(use: str) -> str:
    return _NAMES[use].split("|", 1)[0] if use in _NAMES else use.removeprefix("\\")
