// The one table of kinds and fields. kinds.data and fields.data say it, generate.py turns them into static
// constant arrays at build time (32-bit offsets, nothing happens at start), this header reads them.
// Everything here is constant, shared by all threads and lives as long as the process.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::model::schema {

/// What can be done with a kind; a kind's verbs are these bits or-ed.
enum verb : std::uint16_t {
  verb_get = 1, verb_list = 2, verb_watch = 4, verb_create = 8, verb_update = 16, verb_patch = 32,
  verb_remove = 64, verb_remove_collection = 128
};

/// How names of a kind are checked (RFC 1123 subdomain, RFC 1123 label, RFC 1035 label, any path segment).
enum class name_rule : std::uint8_t { subdomain, label, label_1035, path_segment };

/// `pods/log`: the part after the slash, what it may be asked for and which kind its bodies have.
struct subresource {
  std::string_view name, group, version, kind;
  std::uint16_t verbs = 0;
  std::uint16_t message = 0;  ///< Index of its body's message; the parent's for status and finalize.
};

/// A value of an object that a field selector may name. `path` is where it stands in the stored object;
/// alternatives are divided by '|', the first that is not empty counts.
struct selectable {
  std::string_view label, path;
  bool boolean = false;  ///< Absent means "false".
};

/// A column of a Table. `cell` names how it is computed (wire/cells.cpp), for kinds and custom resources alike.
struct column {
  std::string_view name, type, format, cell;
  std::int32_t priority = 0;
};

/// One kind as one group and version serves it: a row of kinds.data.
struct kind {
  std::string_view group, version, name, plural, singular, list_kind;
  std::string_view api_version;     ///< "v1" or "apps/v1".
  std::string_view storage_prefix;  ///< "/registry/configmaps/"; kinds that share storage share it.
  std::span<const std::string_view> short_names, categories;
  std::span<const subresource> subresources;
  std::span<const selectable> selectables;  ///< Without metadata.name and metadata.namespace.
  std::span<const column> columns;
  std::span<const std::string_view> renames;  ///< Pairs (own top-level name, name in the stored kind).
  std::uint16_t index = 0;                  ///< Dense, from 0; position in kinds().
  std::uint16_t storage = 0;                ///< Index of the kind whose form is stored; mostly `index`.
  std::uint16_t message = 0;                ///< Root message of its fields.
  std::uint16_t verbs = 0;
  name_rule names = name_rule::subdomain;
  bool namespaced = false;
  bool has_status = false;             ///< Has /status; main writes leave status alone.
  bool status_on_create = false;       ///< A creation may bring a status.
  bool has_generation = false;         ///< metadata.generation counts changes of anything but metadata and status.
  bool asked_only = false;             ///< A question: it is answered and never kept, so it has no store and no keeper.
  bool create_on_update = false;       ///< PUT of an absent object creates it.
  bool unconditional_update = true;    ///< PUT without a resourceVersion overwrites.
  std::string_view relaxed_in;         ///< Namespace whose writes may wait for their sync; "*" = all, empty = none.
  bool heartbeats = false;             ///< A status that changes nothing but lastHeartbeatTime may wait as well.

  bool can(std::uint16_t wanted) const { return (verbs & wanted) == wanted; }
  /// "configmaps" or "deployments.apps": how messages name the resource.
  std::string qualified() const;
  /// The subresource of that name, or null.
  const subresource* find_subresource(std::string_view called) const;
};

/// All kinds in the order of kinds.data.
std::span<const kind> kinds();
/// By group ("" for core), version and plural; null when there is none.
const kind* find(std::string_view group, std::string_view version, std::string_view plural);
/// By group, version and kind name; null when there is none.
const kind* find_by_name(std::string_view group, std::string_view version, std::string_view name);

enum class field_type : std::uint8_t {
  text, integer, number, boolean, base64, time, micro_time, duration, quantity, int_or_string,
  text_list,  ///< A list of texts that protobuf wraps in a message of its own.
  any,      ///< Free JSON (FieldsV1, RawExtension, JSON schema values).
  message   ///< A nested message.
};
enum class container : std::uint8_t { single, list, map };

/// One field of one message: a row of fields.data. 24 bytes; texts are offsets into one pool.
struct field {
  std::uint32_t name_at, merge_key_at, default_at;
  std::uint32_t description;  ///< Index for describe().
  std::uint16_t message_index;
  std::uint16_t number;       ///< protobuf; 0 = not in protobuf.
  field_type type;
  container shape;
  std::uint16_t flags;

  enum : std::uint16_t {
    pointer = 1,         ///< Zero is a value of its own and is kept.
    omit_empty = 2,      ///< JSON leaves the zero value out.
    inlined = 4,         ///< protobuf nests it, JSON has its fields in the parent.
    required = 8, merge = 16, retain_keys = 32,
    atomic = 64, set = 128, list_map = 256,  ///< x-kubernetes-list-type / map-type.
    proto_only = 512     ///< An inlined carrier: no JSON field of its own.
  };
  bool has(std::uint16_t flag) const { return (flags & flag) != 0; }
  std::string_view name() const;
  /// Key that tells the elements of a merge list apart; empty for lists of plain values.
  std::string_view merge_key() const;
  /// JSON text of OpenAPI's default; empty when there is none.
  std::string_view default_json() const;
};

/// A message: its fields sorted by JSON name (inlined messages' fields included), and its OpenAPI name.
struct message {
  std::uint32_t name_at;      ///< "io.k8s.api.core.v1.ConfigMap".
  std::uint32_t description;
  std::uint32_t first_field;
  std::uint16_t fields_count;
  std::uint16_t carriers_count;  ///< proto_only fields, after the others.
  std::uint16_t flags;           ///< field::atomic for atomic structs.

  std::string_view name() const;
  std::span<const field> fields() const;
  std::span<const field> carriers() const;
  /// By JSON name; null when unknown.
  const field* find(std::string_view json_name) const;
  /// By protobuf number; null when unknown.
  const field* find(std::uint32_t proto_number) const;
};

const message& message_at(std::uint16_t index);
std::span<const message> messages();
/// By OpenAPI name; null when unknown.
const message* find_message(std::string_view name);
/// Text of all descriptions, unpacked for as long as this lives (about 0.5 MB).
class descriptions {
 public:
  descriptions();
  std::string_view at(std::uint32_t index) const;
 private:
  std::string text_;
  std::vector<std::uint32_t> starts_;
};
/// Digest of the whole table, hexadecimal; changes when kinds.data or fields.data do.
std::string_view digest();

}  // namespace troupe::model::schema
