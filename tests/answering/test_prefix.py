"""An answer that is still being written can be read at every moment."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.answering.prefix import balanced, completed
from bot.platforms.telegram.markdown import _converted

CASES = [
    ("plain words", "plain words"),
    ("**bo", "**bo**"),
    ("a **bo *it", "a **bo *it***"),
    ("`cod", "`cod`"),
    ("a ``two ` tick", "a ``two ` tick``"),
    ("~~st", "~~st~~"),
    ("see [lab", "see lab"),
    ("see [label](http://x", "see label"),
    ("see [label](http://x.org/a_(b)", "see label"),
    ("an ![image](http://x", "an image"),
    ("| a | b |\n|--", ""),
    ("Text\n\n| a | b |\n| c", "Text\n\n"),
    ("| a | b |\n|---|---|\n| 1 | ", "| a | b |\n|---|---|\n"),
    ("| a | b |\n|---|---|\n| 1 | 2 |\n", "| a | b |\n|---|---|\n| 1 | 2 |\n"),
    ("```py", ""),
    ("x\n``", "x\n"),
    ("x\n```python\nfoo", "x\n```python\nfoo\n```"),
    ("x\n```python\nfoo\n```", "x\n```python\nfoo\n```"),
    ("1. x\n   ```js\n   let a", "1. x\n   ```js\n   let a\n   ```"),
    ("2 * 3 and a ** b", "2 * 3 and a ** b"),
    ("* item **x", "* item **x**"),
    ("a\n\n* ", "a\n\n* "),
    ("snake_case_x and _it", "snake_case_x and _it_"),
    ("a *", "a"),
    ("a **", "a"),
    ("**bold** and *it* done", "**bold** and *it* done"),
    (r"an escaped \*star", r"an escaped \*star"),
    ("**one**\n\n**two", "**one**\n\n**two**"),
    ("- **a\n- b", "- **a\n- b"),
    # What stands in a code block that has ended begins nothing.
    ("```python\n# c\nx = 1\n```\nNow **bo", "```python\n# c\nx = 1\n```\nNow **bo**"),
    ("```\na\n\nb\n```\nNext words", "```\na\n\nb\n```\nNext words"),
    ("see https://x.org/_foo bar", "see https://x.org/_foo bar"),
    ("see **https://x.org/a_b", "see **https://x.org/a_b**"),
]


@pytest.mark.parametrize(("written", "shown"), CASES)
def test_what_is_open_is_closed(written: str, shown: str) -> None:
    assert completed(written) == shown


def test_an_ended_text_only_has_its_fence_closed() -> None:
    assert balanced("```js\nlet a") == "```js\nlet a\n```"
    assert balanced("see [lab and **b") == "see [lab and **b"


DOCUMENT = """# Your **fortune**

The *leaves* say **move house** and `never` look [back](https://example.org/a_(b)).

1. First **pack**
2. Then *rest*

| day | luck |
|---|---|
| 1 | **good** |

```python
luck = 3 ** 2
```

~~Not~~ this ***time***. 龙年 **大吉**。
"""


def test_no_mark_is_ever_seen_as_such() -> None:
    for end in range(len(DOCUMENT)):
        text, _ = _converted(completed(DOCUMENT[:end]))
        seen = text.replace("3 ** 2", "").replace("3 **", "").replace("3 *", "")
        assert "**" not in seen, (DOCUMENT[:end][-30:], text[-60:])
        assert "~~" not in seen, text[-60:]
        assert "](" not in seen, text[-60:]
        assert "|---" not in seen, text[-60:]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab *_`~[]()|\n-#>1. 龙", max_size=120))
def test_any_prefix_can_be_completed(text: str) -> None:
    completed(text)
    balanced(text)
