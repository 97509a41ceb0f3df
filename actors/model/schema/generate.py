#!/usr/bin/env python3
"""Turns kinds.data, fields.data and descriptions.data into tables.inc: static constant arrays.

usage: generate.py KINDS FIELDS DESCRIPTIONS OUT
"""
import hashlib
import pathlib
import sys
import zlib

VERBS = {'get': 1, 'list': 2, 'watch': 4, 'create': 8, 'update': 16, 'patch': 32, 'delete': 64,
         'deletecollection': 128}
FLAGS = {'pointer': 1, 'omit': 2, 'inlined': 4, 'required': 8, 'merge': 16, 'retain': 32, 'atomic': 64, 'set': 128,
         'proto_only': 512}


class Pool:
    """Texts, each once, each ended by a zero byte."""
    def __init__(self):
        self.at, self.data = {}, bytearray()

    def add(self, text):
        if text not in self.at:
            self.at[text] = len(self.data)
            self.data += text.encode() + b'\0'
        return self.at[text]


def literal(data, width=64):
    """C++ string literals; octal escapes always have three digits, so that a digit may follow."""
    def byte(b):
        return chr(b) if 32 <= b < 127 and b not in b'"\\?' else f'\\{b:03o}'
    lines = [''.join(map(byte, data[i:i + width])) for i in range(0, len(data), width)]
    return '\n'.join(f'  "{line}"' for line in lines) or '  ""'


def quote(text):
    return '"' + text.replace('\\', '\\\\').replace('"', '\\"') + '"'


def read_fields(path):
    messages = []
    for line in path.read_text().splitlines():
        if line.startswith('= '):
            words = line[2:].split()
            messages.append((words[0], words[1:], []))
        else:
            messages[-1][2].append((line.split('\t') + [''])[:4])
    return messages


def read_descriptions(path):
    out, message = {}, ''
    for line in path.read_text().splitlines():
        name, text = line.split('\t', 1)
        if name.startswith('= '):
            message, name = name[2:], ''
        out[message, name] = text.replace('\\n', '\n').replace('\\\\', '\\')
    return out


def field_rows(messages, about, pool):
    index = {name: i for i, (name, _, _) in enumerate(messages)}
    rows, heads, texts = [], [], []

    def describe(message, field):
        texts.append(about.get((message, field), ''))
        return len(texts) - 1
    for name, words, fields in messages:
        first = len(rows)
        plain = sorted((f for f in fields if f[0]), key=lambda f: f[0])
        carriers = [f for f in fields if not f[0]]
        head = describe(name, '')
        for field, kind, number, marks in plain + carriers:
            shape = {'[': 'list', '{': 'map'}.get(kind[0], 'single')
            kind = kind[2:] if shape != 'single' else kind
            target = index[kind[1:]] if kind.startswith('@') else 0
            flags, key, default = 0, '', ''
            for word in marks.split(' ') if 'default=' not in marks else marks.split('default=')[0].split():
                if word.startswith('map='):
                    flags |= 256
                elif word.startswith('key='):
                    key = word[4:]
                elif word:
                    flags |= FLAGS[word]
            if 'default=' in marks:
                default = marks.split('default=', 1)[1]
            kind = 'message' if kind.startswith('@') else kind
            rows.append(f'{{{pool.add(field)},{pool.add(key)},{pool.add(default)},{describe(name, field)},{target},'
                        f'{number},field_type::{kind},container::{shape},{flags}}},')
        heads.append(f'{{{pool.add(name)},{head},{first},{len(plain)},{len(carriers)},'
                     f'{FLAGS["atomic"] if "atomic" in words else 0}}},')
    return index, rows, heads, texts


def read_kinds(path):
    kinds = []
    for line in path.read_text().splitlines():
        line = line.strip()
        if not line or line.startswith('#'):
            continue
        word, _, rest = line.partition(' ')
        if word == 'kind':
            kinds.append({'kind': rest, 'short': [], 'category': [], 'sub': [], 'field': [], 'column': [], 'rename': [],
                          'flags': set(), 'names': 'subdomain', 'singular': rest.lower(), 'stored_as': None})
        elif word in ('short', 'category', 'sub', 'field', 'column', 'rename'):
            kinds[-1][word].append(rest)
        elif rest:
            kinds[-1][word] = rest
        else:
            kinds[-1]['flags'].add(word)
    return kinds


def verb_bits(text):
    bits = {'8': 255, '7': 255 - 128}
    return bits.get(text) or sum(VERBS[v] for v in text.split(','))


def kind_rows(kinds, messages):
    out, rows = [], []

    def array(name, kind_type, items):
        if not items:
            return '{}'
        out.append(f'constexpr {kind_type} {name}[] = {{{", ".join(items)}}};')
        return name
    places = {(k['in'], k['plural']): i for i, k in enumerate(kinds)}
    for i, k in enumerate(kinds):
        group, _, version = k['in'].rpartition('/')
        subs, fields, columns = [], [], []
        for sub in k['sub']:
            name, verbs, sub_group, sub_version, sub_kind, message = sub.split()
            sub_group = '' if sub_group == '-' else sub_group
            target = messages[message] if message != '-' else '0xffff'
            subs.append(f'{{"{name}", "{sub_group}", "{sub_version}", "{sub_kind}", {verb_bits(verbs)}, {target}}}')
        for field in k['field']:
            label, path, *flag = field.split()
            fields.append(f'{{"{label}", "{path}", {"true" if flag else "false"}}}')
        for column in k['column']:
            name, kind_type, form, priority, cell = column.split('|')
            columns.append(f'{{"{name}", "{kind_type}", "{form}", "{cell}", {priority}}}')
        stored = places[tuple(k['stored_as'].split())] if k['stored_as'] else i
        renames = [quote(w) for pair in k['rename'] for w in pair.split()]
        def flag(word):
            return 'true' if word in k['flags'] else 'false'
        texts = [group, version, k['kind'], k['plural'], k['singular'], k['kind'] + 'List', k['in'], k['store']]
        rows.append('  {' + ', '.join([
            *map(quote, texts),
            array(f'short_{i}', 'std::string_view', [quote(s) for s in k['short']]),
            array(f'category_{i}', 'std::string_view', [quote(s) for s in k['category']]),
            array(f'sub_{i}', 'subresource', subs), array(f'selectable_{i}', 'selectable', fields),
            array(f'column_{i}', 'column', columns), array(f'rename_{i}', 'std::string_view', renames),
            str(i), str(stored), str(messages[k['message']]), str(verb_bits(k['verbs'])),
            f'name_rule::{k["names"]}', flag('namespaced'), flag('status'), flag('status_on_create'), flag('generation'), flag('asked_only'),
            flag('create_on_update'), 'false' if 'conditional_update' in k['flags'] else 'true',
            quote(k.get('relaxed', '')), flag('heartbeats')]) + '},')
    return out, rows


def main():
    kinds_path, fields_path, about_path, out_path = map(pathlib.Path, sys.argv[1:])
    pool = Pool()
    index, rows, heads, texts = field_rows(read_fields(fields_path), read_descriptions(about_path), pool)
    arrays, kinds = kind_rows(read_kinds(kinds_path), index)
    blob = '\0'.join(texts).encode() + b'\0'
    packed = zlib.compress(blob, 9)
    digest = hashlib.sha256()
    for path in (kinds_path, fields_path, about_path):
        digest.update(path.read_bytes())
    out_path.write_text('\n'.join([
        '// Made by generate.py. Do not edit.', *arrays, 'constexpr kind all_kinds[] = {', *kinds, '};',
        'constexpr char pool[] =', literal(pool.data) + ';', 'constexpr field all_fields[] = {', *rows, '};',
        'constexpr message all_messages[] = {', *heads, '};',
        f'constexpr std::size_t packed_size = {len(packed)}, unpacked_size = {len(blob)};',
        'constexpr char packed[] =', literal(packed) + ';',
        f'constexpr std::string_view table_digest = "{digest.hexdigest()[:40].upper()}";', '']))


main()
