#!/usr/bin/env python3
"""Makes fields.data and descriptions.data from Kubernetes' OpenAPI v3 documents and a table of protobuf numbers.

Run by hand when the Kubernetes release changes; neither build nor tests need it.
usage: import_openapi.py OPENAPI_V3_FOLDER PROTO_FIELDS_JSON OUT_FOLDER
"""
import json
import pathlib
import re
import sys

META = 'io.k8s.apimachinery.pkg.apis.meta.v1.'
SCALARS = {
    META + 'Time': 'time', META + 'MicroTime': 'micro_time', META + 'Duration': 'duration',
    META + 'FieldsV1': 'any', META + 'Patch': 'any',
    'io.k8s.apimachinery.pkg.api.resource.Quantity': 'quantity',
    'io.k8s.apimachinery.pkg.util.intstr.IntOrString': 'int_or_string',
    'io.k8s.apimachinery.pkg.runtime.RawExtension': 'any',
}
EXTRA = [META + name for name in ('DeleteOptions', 'Status', 'APIResourceList', 'WatchEvent')]


def schemas_of(folder):
    out = {}
    for path in sorted(pathlib.Path(folder).rglob('v*.json')):
        if not re.fullmatch(r'v\d+', path.stem):
            continue
        out.update(json.loads(path.read_text())['components']['schemas'])
    return out


def proto_key(name):
    found = re.fullmatch(r'io\.k8s\.(?:api|.*\.pkg\.apis)\.(\w+)\.(v\w+)\.(\w+)', name)
    return f'{found[1]}/{found[2]}.{found[3]}' if found else None


class Importer:
    def __init__(self, schemas, proto):
        self.schemas, self.proto = schemas, proto
        self.rows, self.carriers = {}, {}

    def ref(self, schema):
        for part in [schema] + schema.get('allOf', []):
            if '$ref' in part:
                return part['$ref'].rsplit('/', 1)[1]
        return None

    def type_of(self, schema):
        """(shape, type, message) of a property."""
        target = self.ref(schema)
        if target:
            if target in SCALARS:
                return '', SCALARS[target], None
            if self.schemas[target].get('type') == 'string':
                return '', 'text', None
            if not self.schemas[target].get('properties') and target.rsplit('.', 1)[1].startswith('JSON'):
                return '', 'any', None
            return '', 'message', target
        kind = schema.get('type')
        if kind == 'array':
            shape, inner, message = self.type_of(schema['items'])
            assert shape == '', schema
            return '[]', inner, message
        if kind == 'object':
            if isinstance(schema.get('additionalProperties'), dict):
                shape, inner, message = self.type_of(schema['additionalProperties'])
                if shape == '[]':
                    assert inner == 'text', schema
                    return '{}', 'text_list', None
                return '{}', inner, message
            return '', 'any', None
        if kind == 'string':
            return '', {'byte': 'base64'}.get(schema.get('format'), 'text'), None
        return '', {'integer': 'integer', 'number': 'number', 'boolean': 'boolean', None: 'any'}[kind], None

    def row(self, name, schema, number, proto_flags, required):
        shape, kind, message = self.type_of(schema)
        flags = {'p': 'pointer', 'o': 'omit'}
        words = [flags[f] for f in proto_flags if f in flags]
        if required:
            words.append('required')
        strategy = schema.get('x-kubernetes-patch-strategy', '').split(',')
        words += [w for w, s in (('merge', 'merge'), ('retain', 'retainKeys')) if s in strategy]
        list_type, map_type = schema.get('x-kubernetes-list-type'), schema.get('x-kubernetes-map-type')
        if list_type == 'atomic' or map_type == 'atomic':
            words.append('atomic')
        if list_type == 'set':
            words.append('set')
        if list_type == 'map':
            words.append('map=' + '+'.join(schema['x-kubernetes-list-map-keys']))
        if 'x-kubernetes-patch-merge-key' in schema:
            words.append('key=' + schema['x-kubernetes-patch-merge-key'])
        # {} of a nested message says only that the Go field is no pointer: not a default anybody sees.
        if 'default' in schema and schema['default'] not in ({}, ''):
            words.append('default=' + json.dumps(schema['default'], separators=(',', ':')))
        if message:
            self.visit(message)
        return [name, shape + ('@' + message if message else kind), str(number), ' '.join(words)]

    def visit(self, name):
        if name in self.rows:
            return
        schema = self.schemas[name]
        self.rows[name] = rows = []
        properties = schema.get('properties', {})
        required = set(schema.get('required', []))
        numbers, carriers = {}, []
        for number, (json_name, kind, flags) in self.proto.get(proto_key(name), {}).items():
            if 'i' in flags:
                carriers.append((int(number), kind))
            else:
                numbers[json_name] = (int(number), flags)
        for field in sorted(properties):
            number, flags = numbers.get(field, (0, 'o'))
            rows.append(self.row(field, properties[field], number, flags, field in required))
        for number, kind in carriers:
            rows.append(['', '@' + self.carrier(name, kind, properties), str(number), 'proto_only'])

    def carrier(self, parent, kind, properties):
        package = proto_key(parent).split('.')[0]
        kind = kind.split('.')[-1]
        name = parent.rsplit('.', 1)[0] + '.' + kind
        if self.schemas.get(name):
            self.visit(name)
            return name
        rows = self.rows.setdefault(name, [])
        if not rows:
            for number, (json_name, inner, flags) in sorted(self.proto[f'{package}.{kind}'].items()):
                assert 'i' not in flags, (name, json_name)
                rows.append(self.row(json_name, properties[json_name], int(number), flags, False))
            rows.sort()
        return name


def main():
    folder, proto, out = sys.argv[1], json.load(open(sys.argv[2])), pathlib.Path(sys.argv[3])
    schemas = schemas_of(folder)
    importer = Importer(schemas, proto)
    roots = [n for n in schemas if 'x-kubernetes-group-version-kind' in schemas[n]
             and not n.endswith('List') and not n.startswith(META)]
    for name in sorted(roots) + EXTRA:
        importer.visit(name)
    fields, texts = [], []
    for name in sorted(importer.rows):
        schema = schemas.get(name, {})
        atomic = ' atomic' if schema.get('x-kubernetes-map-type') == 'atomic' else ''
        fields.append(f'= {name}{atomic}')
        fields += ['\t'.join(row).rstrip() for row in importer.rows[name]]
        def clean(text):
            return text.replace('\\', '\\\\').replace('\n', '\\n')
        texts.append(f'= {name}\t{clean(schema.get("description", ""))}')
        for field, about in sorted(schema.get('properties', {}).items()):
            texts.append(f'{field}\t{clean(about.get("description", ""))}')
    (out / 'fields.data').write_text('\n'.join(fields) + '\n')
    (out / 'descriptions.data').write_text('\n'.join(texts) + '\n')


main()
