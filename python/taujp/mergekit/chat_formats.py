"""Chat formats by their names, as Jinja templates that transformers' tokenizers understand.

Written from the formats' own descriptions: ChatML (OpenAI), Llama 3, Mistral and EXAONE (their
model cards), Alpaca (Stanford's prompts).
"""

from __future__ import annotations

CHATML = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
LLAMA3 = (
    "{{- bos_token }}"
    "{%- for message in messages %}"
    "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}"
    "{{- message['content'] | trim + '<|eot_id|>' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}"
    "{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
    "{%- endif %}"
)
MISTRAL = (
    "{%- set first = namespace(text='') %}"
    "{%- set turns = messages %}"
    "{%- if turns and turns[0]['role'] == 'system' %}"
    "{%- set first.text = turns[0]['content'] + '\\n\\n' %}{%- set turns = turns[1:] %}"
    "{%- endif %}"
    "{{- bos_token }}"
    "{%- for message in turns %}"
    "{%- if message['role'] != ('assistant' if loop.index0 % 2 else 'user') %}"
    "{{- raise_exception('user and assistant must take turns, after at most one system message') }}"
    "{%- endif %}"
    "{%- if message['role'] == 'user' %}"
    "{{- ' [INST] ' + first.text + message['content'] + ' [/INST]' }}{%- set first.text = '' %}"
    "{%- else %}{{- ' ' + message['content'] + eos_token }}{%- endif %}"
    "{%- endfor %}"
)
ALPACA = (
    "{%- set titles = {'user': '### Instruction:\\n', 'user_context': '### Input:\\n', "
    "'assistant': '### Response:\\n', 'system': ''} %}"
    "{%- for message in messages %}"
    "{%- if message['role'] not in titles %}"
    "{{- raise_exception('alpaca has no role ' + message['role']) }}"
    "{%- endif %}"
    "{{- titles[message['role']] + message['content'] | trim }}"
    "{{- eos_token if message['role'] == 'assistant' and eos_token is defined }}"
    "{{- '' if loop.last and not add_generation_prompt else '\\n\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '### Response:\\n' }}{%- endif %}"
)
EXAONE = (
    "{%- for message in messages %}"
    "{%- if loop.first and message['role'] != 'system' %}"
    "{{- '[|system|][|endofturn|]\\n' }}"
    "{%- endif %}"
    "{{- '[|' + message['role'] + '|]' + message['content'] }}"
    "{{- '\\n' if message['role'] == 'user' else '[|endofturn|]\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '[|assistant|]' }}{%- endif %}"
)
FORMATS = {
    "alpaca": ALPACA,
    "chatml": CHATML,
    "exaone": EXAONE,
    "llama3": LLAMA3,
    "mistral": MISTRAL,
}
