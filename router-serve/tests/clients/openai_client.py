"""The official client against a gateway: `openai_client.py URL PROMPT`. The mock upstream behind it answers in five words, in five
words, breaks off, refuses."""

import sys

import openai

url, prompt = sys.argv[1:]
client = openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)
messages = [{"role": "user", "content": prompt}]
answer = "word0 word1 word2 word3 word4 "

whole = client.chat.completions.create(model="auto", messages=messages, extra_body={"router": {"minimum_quality": 0.1}})
assert whole.choices[0].message.content == answer, whole
assert whole.usage.completion_tokens == 5, whole

parts = client.chat.completions.create(model="auto", messages=messages, stream=True)
text = "".join(part.choices[0].delta.content or "" for part in parts if part.choices)
assert text == answer, text

seen = ""
try:
    for part in client.chat.completions.create(model="auto", messages=messages, stream=True):
        seen += part.choices[0].delta.content or ""
    raise SystemExit("a stream that broke off looked whole")
except openai.APIError as error:
    assert "ended early" in str(error), error
assert seen == "word0 word1 ", seen

try:
    client.chat.completions.create(model="auto", messages=messages)
    raise SystemExit("a refusal looked like an answer")
except openai.UnprocessableEntityError:
    pass

assert "auto" in [model.id for model in client.models.list()]
