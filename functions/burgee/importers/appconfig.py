"""AWS AppConfig's feature flags, with or without variants, to flags.yaml."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from burgee.importers.appconfig_rule import RuleReader, Split, parse_rule
from burgee.importers.base import Imported, NoEquivalent, both, condition, joined_text, require_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.flagfile.yaml_reader import Document, KeyPath

_SHAPE = "it is not a feature flag configuration: a mapping with `version`, `flags` and `values`"


def import_appconfig(document: Document) -> Imported:
    """Converts one hosted configuration of feature flags: that of one environment."""
    made = Imported(document)
    value = document.value
    sections = [value.get(key) if isinstance(value, dict) else None for key in ("flags", "values")]
    if not all(isinstance(section, dict) for section in sections):
        made.leave_out("the file", (), _SHAPE)
        return made
    flags, values = value["flags"], value["values"]
    for key, about in flags.items():
        made.place_flag(key, ("flags", key))
        try:
            made.flags[key] = _Flag(made, key, about, values.get(key)).definition()
        except NoEquivalent as found:
            made.leave_out(key, found.path or ("flags", key), str(found))
    for key in values.keys() - flags.keys():
        made.leave_out(key, ("values", key), "it is not among `flags`")
    return made


class _Flag:
    """Converts one flag."""

    def __init__(self, made: Imported, key: str, about: Any, value: Any) -> None:
        self.made, self.key, self.path = made, require_name(key, ("flags", key)), ("values", key)
        if not isinstance(about, dict) or not isinstance(value, dict):
            raise NoEquivalent("it has no value", ("flags", key))
        self.about, self.value = about, value
        listed = value.get("_variants")
        self.variants = listed if isinstance(listed, list) else []
        self.is_plain = not about.get("attributes") and not any(
            one.get("attributeValues") for one in self.variants if isinstance(one, dict)
        )
        self.reader = RuleReader(self.segment)

    def definition(self) -> dict[str, Any]:
        """The flag in the grammar of flags.yaml."""
        made = self.described()
        if not self.variants:
            return {**made, **self.basic()}
        values: dict[str, Any] = {}
        rules: list[dict[str, Any]] = []
        default = None
        for index, variant in enumerate(self.variants):
            path: KeyPath = (*self.path, "_variants", index)
            if not isinstance(variant, dict) or default is not None:
                raise NoEquivalent("its variants are not a list with the default one at its end", path)
            name = self.served(variant, values, path)
            if (rule := variant.get("rule")) is None or rule == "":
                default = name
            else:
                rules += self.rule(rule, name, (*path, "rule"))
        if default is None:
            raise NoEquivalent("it has no default variant", self.path)
        if not self.is_plain:
            made["variants"] = values
        self.report_splits()
        return {**made, "status": "on", **({"rules": rules} if rules else {}), "default": {"serve": default}}

    def basic(self) -> dict[str, Any]:
        """A flag without variants: on or off, perhaps with attributes."""
        enabled = self.value.get("enabled") is True
        attributes = {key: one for key, one in self.value.items() if not key.startswith("_") and key != "enabled"}
        if self.is_plain and not attributes:
            return {"status": "on" if enabled else "off"}
        values = {"on": {"enabled": True, **attributes}, "off": {"enabled": False}}
        default = {"default": {"serve": "on"}}
        return {"status": "on" if enabled else "off", "variants": values, "off_variant": "off", **default}

    def described(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        texts = [self.about.get(key) for key in ("name", "description")]
        named = [one for one in texts if isinstance(one, str) and one and _plain(one) != _plain(self.key)]
        if named:
            made["description"] = joined_text(named)[:500]
        deprecation = self.about.get("_deprecation")
        if isinstance(deprecation, dict) and isinstance(deprecation.get("date"), str):
            made["expires"] = deprecation["date"]
        elif deprecation:
            made["tags"] = ["deprecated"]
        if self.about.get("attributes"):
            self.made.not_carried(self.key, ("flags", self.key, "attributes"), "the constraint on its attributes")
        return made

    def served(self, variant: Mapping[str, Any], values: dict[str, Any], path: KeyPath) -> str:
        """The name of a variant, whose value is kept; a boolean flag has `on` and `off`."""
        enabled = variant.get("enabled") is True
        if self.is_plain:
            return "on" if enabled else "off"
        name = variant.get("name")
        if not isinstance(name, str) or not name or name in values:
            raise NoEquivalent("a variant without a name of its own", path)
        attributes = variant.get("attributeValues")
        values[name] = {"enabled": enabled, **(attributes if isinstance(attributes, dict) else {})}
        return name

    def rule(self, text: Any, name: str, path: KeyPath) -> list[dict[str, Any]]:
        when, split = self.reader.rule(parse_rule(text, path), path)
        if when is False:
            return []
        head = {"when": condition(when)}
        if split is None:
            return [{**head, "serve": name}]
        if not split.percentage:
            return []
        if split.percentage >= 100:
            return [{"when": condition(both(when, {split.by: {"exists": True}})), "serve": name}]
        share = {"rollout_percentage": split.percentage, "bucket_by": split.by, "without_unit": "next"}
        salt = {} if split.seed is None else {"salt": split.seed}
        return [{**head, **share, **salt, "serve": name}]

    def segment(self, split: Split) -> str:
        """A segment that holds the share of a split, for one inside `or` or `not`."""
        salt = self.key if split.seed is None else split.seed
        text = f"{salt}-{split.by}-{split.percentage:g}"
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("._-")
        share = {"rollout_percentage": split.percentage, "bucket_by": split.by, "salt": salt}
        self.made.segments[name] = {"when": {}, **share}
        return name

    def report_splits(self) -> None:
        """Who moves: AWS does not publish its hash, so ours chooses again."""
        for split in dict.fromkeys(self.reader.splits):
            share = split.percentage / 100
            moved = f"{share * (1 - share) * 100:.3g}"
            if 0 < share < 1:
                text = (
                    f"its split of {split.percentage:g} % by {split.by!r} chooses users again, as AWS does not "
                    f"publish its hash: of those that it divides {moved} % lose what they had, and {moved} % gain it"
                )
                self.made.differs(self.key, self.path, text)


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()
