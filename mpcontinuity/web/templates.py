"""HTML from templates (Jinja2): everything is escaped, and a name that is not there is an error."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

from jinja2 import BytecodeCache, ChoiceLoader, Environment, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket

from mpcontinuity.model.visible import visible
from mpcontinuity.web import static
from mpcontinuity.web.languages import ENGLISH, Language
from mpcontinuity.web.static import LOOK

_TIME: Final = re.compile(r"\b(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d(?:\.\d{6})?\+00:00(?!\d)")  # as clock.iso makes it


class _Compiled(BytecodeCache):
    """What templates are compiled to, by name and content: once per process, however often a site is made."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._codes[bucket.key, bucket.checksum] = bucket.code


_COMPILED: Final = _Compiled()


class Templates:
    """The templates of a package, in its folder ``templates``, and those of web/look/.

    All are compiled here. Each is given ``static``, which returns the URL of a file of the package's folder
    ``static`` or of web/look/static/, and what stands in ``more``. What strangers write is shown through the filter
    ``visible``, times in what operations say through ``times``, and numbers through ``number``. Texts between
    ``{% trans %}`` and in ``_()`` are in the language of the page.
    """

    def __init__(self, package: str = LOOK, /, **more: Any) -> None:
        self._environment = Environment(
            autoescape=True,
            undefined=StrictUndefined,
            loader=ChoiceLoader([PackageLoader(each) for each in (package, LOOK)]),
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=-1,
            bytecode_cache=_COMPILED,
            extensions=["jinja2.ext.i18n"],
        )
        self._language = ENGLISH  # of the page that is being made: that is done in one go
        # What imported macros say is in that language too, which is why it is no value of a page.
        texts: Any = self._environment
        texts.install_gettext_callables(
            lambda text: self._language.catalogue.gettext(text),
            lambda one, many, number: self._language.catalogue.ngettext(one, many, number),
            newstyle=True,
            pgettext=lambda context, text: self._language.catalogue.pgettext(context, text),
        )
        self._environment.globals["static"] = static.files(package).url
        self._environment.globals.update(more)
        self._environment.filters["visible"] = visible
        self._environment.filters["times"] = _times
        self._environment.filters["number"] = lambda value, digits=0: self._language.number(value, digits)
        for name in self._environment.list_templates():
            self._environment.get_template(name)

    def render(self, name: str, /, language: Language = ENGLISH, **values: Any) -> bytes:
        """Returns a page of the template with that name."""
        self._language = language
        return self._environment.get_template(name).render(language=language.code, said_in=language, **values).encode()


@cache
def look() -> Templates:
    """Returns the templates of web/look/ alone."""
    return Templates()


def _times(text: str) -> str:
    """As people read them: the page says that they are in UTC."""
    return _TIME.sub(r"\1 \2", text)
