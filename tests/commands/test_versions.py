"""How people write which model they mean: nothing that looks like a flag passes for a reason."""

import pytest

from bot.chat.errors import UserError
from bot.commands.versions import Wish, alias_of, version_of, wish_of


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("v3", Wish(3)),
        ("3", Wish(3)),
        ("Ｖ３", Wish(3)),
        ("v3 @Poet", Wish(3, "poet")),
        ("v3 ＠大师 因为它更好", Wish(3, "大师", None, "因为它更好")),
        ("v3 because @ben asked", Wish(3, "live", None, "because @ben asked")),
        ("v3 @live we wish it", Wish(3, "live", None, "we wish it")),
        ("v3 --canary 20%", Wish(3, "live", 20)),
        ("v3 --canary=20 because", Wish(3, "live", 20, "because")),
        ("v3 —canary 20 % because", Wish(3, "live", 20, "because")),
        ("v3 －－canary ２０％", Wish(3, "live", 20)),
        ("v3 --canary20%", Wish(3, "live", 20)),
        ("v3 canary 20% it is good", Wish(3, "live", 20, "it is good")),
        ("v3 canary:20%", Wish(3, "live", 20)),
        ("v3 灰度=20%", Wish(3, "live", 20)),
        ("v3 --灰度 20%", Wish(3, "live", 20)),
        ("v3 - canary 20%", Wish(3, "live", 20)),
        ("v3 it is good --canary 5%", Wish(3, "live", 5, "it is good")),
        ("v3 because the canary 20% went well", Wish(3, "live", None, "because the canary 20% went well")),
        ("v3 canary birds sing so", Wish(3, "live", None, "canary birds sing so")),
        ("v3 ——因为它更好", Wish(3, "live", None, "——因为它更好")),
        ("v3 don’t ask, just do", Wish(3, "live", None, "don't ask, just do")),
    ],
)
def test_wishes(text: str, wish: Wish) -> None:
    assert wish_of(text) == wish


@pytest.mark.parametrize(
    ("text", "key"),
    [
        *((f"v3 --canary {share}", "canary_share") for share in ("0%", "100%", "150%", "-5%", "", "x", "20.5%", "1e9")),
        ("v3 --canary", "canary_share"),
        ("v3 --canary=-5%", "canary_share"),
        ("v3 --canary-5%", "canary_share"),
        ("v3 --canary=99999999999999999999", "canary_share"),
        ("v3 canary -5%", "canary_share"),
        ("v3 canary=0", "canary_share"),
        ("v3 --cannary 20%", "flag_unknown_near"),
        ("v3 --cannary=20%", "flag_unknown_near"),
        ("v3 —share 20%", "flag_unknown_near"),
        ("v3 --force", "flag_unknown_near"),
        ("v3 @poet --canary 20%", "canary_named"),
        ("v3 @v4", "alias_bad"),
        ("v3 @", "alias_bad"),
        ("v3 @everyone", "alias_bad"),
        ("v3 @" + "a" * 33, "alias_bad"),
        ("v3 @a/../b", "alias_bad"),
        ("v3 @<b>", "alias_bad"),
        ("", "version_needed"),
        ("base", "version_needed"),
        ("@poet v3", "version_needed"),
        ("v-1", "version_needed"),
        ("v" + "9" * 30, "version_needed"),
        ("v٣", "version_needed"),
    ],
)
def test_refusals(text: str, key: str) -> None:
    with pytest.raises(UserError) as refused:
        wish_of(text)
    assert refused.value.key == key


def test_names() -> None:
    assert [alias_of(word) for word in ("@Poet", "poet", "@大师", "a-b_c", "@@poet", "ＰＯＥＴ")] == [
        "poet",
        "poet",
        "大师",
        "a-b_c",
        "poet",
        "poet",
    ]
    for word in ("v3", "12", "off", "base", "_x", "x_", "a b", "", "‮x"):
        with pytest.raises(UserError):
            alias_of(word)
    with pytest.raises(UserError):
        version_of("poet")
