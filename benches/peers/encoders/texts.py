"""The synthetic texts whose reference vectors are stored.

Each one is here for a property that a tokenizer or an encoder can get wrong; none comes from a data set.
"""

_STEPS = [
    "measure the inlet temperature and write it in the log",
    "compare the reading with yesterday's value before touching the valve",
    "open the bypass slowly, a quarter turn at a time",
    "wait until the pressure gauge settles near four bar",
    "call the control room if the needle keeps moving",
    "note the serial number of every gasket that is replaced",
    "clean the housing with a dry cloth, never with solvent",
    "check that the spare pump starts within two seconds",
]


def long_text(words: int) -> str:
    """English of about `words` words that does not repeat itself exactly."""
    sentences, count, number = [], 0, 1
    while count < words:
        sentence = f"Step {number}: {_STEPS[(number * 5 + number // 8) % len(_STEPS)]}."
        sentences.append(sentence)
        count += len(sentence.split())
        number += 1
    return " ".join(sentences)


# In the order of importance: an expensive model's fixture takes the texts marked True only.
TEXTS: list[tuple[bool, str, str]] = [
    (True, "empty", ""),
    (True, "one word", "router"),
    (True, "short question", "How do I boil an egg so that the yolk stays soft?"),
    (True, "code", "def fib(n: int) -> int:\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a\n"),
    (True, "mathematics", "Prove that \\sum_{k=1}^{n} k^2 = \\frac{n(n+1)(2n+1)}{6}, and that e^{i\\pi} + 1 = 0."),
    (True, "Chinese", "请用三句话解释为什么天空是蓝色的。"),
    (True, "mixed scripts and accents", "Crème brûlée à la façon de Zoë — naïve, Ångström, Łódź, ﬁnal, Straße, İstanbul, Привет мир, مرحبا"),
    (True, "longer than 384 tokens", long_text(400)),
    (True, "between 256 and 384 tokens", long_text(240)),
    (True, "special tokens of both families", "[CLS] fill the [MASK] and the <mask> [SEP] </s> <s> <pad> [PAD] [UNK] <unk> end"),
    (False, "one letter", "a"),
    (False, "mixed case", "ThIs Is MiXeD cAsE, and THIS IS SHOUTING; this is not."),
    (False, "emoji", "Great job 🎉🎉 see you tomorrow 👩‍👩‍👧 at the beach 🏖️!"),
    (False, "white space only", " \t\n  \r\n   "),
    (False, "white space inside", "  two   spaces,\ta tab,\n\na blank line and\u00a0a no-break space  "),
    (False, "repeated punctuation", "!!!!!!!!!!......?????-----_____=====*****"),
    (False, "control and replacement characters", "a\u0000b\u0007c\ufffdd\u200be"),
    (False, "one word of 150 letters", "a" * 150),
    (False, "numbers and units", "3.14159 km/h at 20°C costs $1,234.56 (+19% VAT) by 2031-02-29T23:59:60Z"),
    (False, "Japanese and Korean", "東京タワーは何メートルですか? 서울의 인구는 얼마입니까?"),
    (False, "JSON", '{"role": "user", "content": "list the primes below 20", "temperature": 0.0}'),
    (False, "address", "see https://example.org/a/b?c=d&e=f#g or mail first.last@example.org"),
    (False, "exactly 256 tokens", " ".join(["the"] * 254)),
    (False, "257 tokens", " ".join(["the"] * 255)),
    (False, "instruction of 60 words", long_text(60)),
]
