// The rules: kubernetes-api's generated.proto files and gogo/protobuf's output. Fields that are no pointers are always
// written, so zero values of those that JSON would leave out are dropped here.
#include "actors/apiserver/wire/protobuf.hpp"

#include <cstring>
#include <limits>

#include "basis/bytes.hpp"
#include "basis/clock.hpp"

namespace troupe::apiserver {
namespace {

namespace schema = model::schema;
using schema::container;
using schema::field;
using schema::field_type;

enum class wire : std::uint8_t { varint = 0, fixed64 = 1, length = 2, fixed32 = 5 };

/// One field as it stands in the bytes.
struct entry {
  std::uint32_t number = 0;
  wire type = wire::varint;
  std::uint64_t value = 0;
  std::string_view data;
};

class reader {
 public:
  explicit reader(std::string_view from) : rest_(from) {}
  bool done() const { return rest_.empty(); }

  bool varint(std::uint64_t& out) {
    out = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (rest_.empty()) return false;
      auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      if (shift == 63 && byte > 1) return false;
      out |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  bool next(entry& out) {
    std::uint64_t tag = 0;
    if (!varint(tag) || (tag >> 3) == 0 || (tag >> 3) > 0x1fffffff) return false;
    out.number = static_cast<std::uint32_t>(tag >> 3);
    out.type = static_cast<wire>(tag & 7);
    switch (tag & 7) {
      case 0: return varint(out.value);
      case 1: return fixed(8, out.value);
      case 5: return fixed(4, out.value);
      case 2: {
        std::uint64_t size = 0;
        if (!varint(size) || size > rest_.size()) return false;
        out.data = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return true;
      }
      default: return false;  // Groups: Kubernetes has none.
    }
  }

 private:
  bool fixed(std::size_t size, std::uint64_t& out) {
    if (rest_.size() < size) return false;
    out = 0;
    for (std::size_t i = 0; i < size; ++i)
      out |= static_cast<std::uint64_t>(static_cast<unsigned char>(rest_[i])) << (8 * i);
    rest_.remove_prefix(size);
    return true;
  }
  std::string_view rest_;
};

class decoder {
 public:
  std::string fault;

  bool message(std::string_view raw, const schema::message& as, json& out, int depth) {
    if (depth > protobuf_depth_max) return fail("nested too deeply");
    reader from(raw);
    entry at;
    while (!from.done()) {
      if (!from.next(at)) return fail("broken field in " + std::string(as.name()));
      const auto* known = as.find(at.number);
      if (known && !take(at, *known, out, depth)) return false;
    }
    return true;
  }

 private:
  bool fail(std::string why) {
    if (fault.empty()) fault = std::move(why);
    return false;
  }

  bool take(const entry& at, const field& as, json& out, int depth) {
    if (as.has(field::proto_only))
      return at.type == wire::length && message(at.data, schema::message_at(as.message_index), out, depth + 1);
    std::string name(as.name());
    if (as.shape == container::map) return take_map(at, as, out[name], depth);
    if (as.shape == container::list) return take_list(at, as, out[name], depth);
    if (as.type == field_type::message) {
      auto& inner = out[name];
      if (!inner.is_object()) inner = json::object();
      return at.type == wire::length ? message(at.data, schema::message_at(as.message_index), inner, depth + 1)
                                     : fail("wrong wire type for " + name);
    }
    json value;
    if (!scalar(at, as, value, depth)) return fail("bad value for " + name);
    bool keep = !value.is_null() && (as.has(field::pointer) || !as.has(field::omit_empty) || !is_zero(value));
    if (keep) out[name] = std::move(value);
    return true;
  }

  static bool is_zero(const json& value) {
    return (value.is_string() && value.get_ref<const std::string&>().empty()) ||
           (value.is_number() && value.get<double>() == 0) || (value.is_boolean() && !value.get<bool>());
  }

  bool take_list(const entry& at, const field& as, json& list, int depth) {
    if (!list.is_array()) list = json::array();
    bool varints = as.type == field_type::integer || as.type == field_type::boolean;
    if (varints && at.type == wire::length) {  // packed
      reader packed(at.data);
      entry each = at;
      each.type = wire::varint;
      while (!packed.done()) {
        json value;
        if (!packed.varint(each.value) || !scalar(each, as, value, depth)) return fail("bad packed list");
        list.push_back(std::move(value));
      }
      return true;
    }
    json value;
    if (!element(at, as, value, depth)) return fail("bad element of " + std::string(as.name()));
    list.push_back(std::move(value));
    return true;
  }

  bool take_map(const entry& at, const field& as, json& map, int depth) {
    if (at.type != wire::length) return fail("bad entry of " + std::string(as.name()));
    if (!map.is_object()) map = json::object();
    reader from(at.data);
    entry part;
    std::string key;
    json value = empty_of(as);
    while (!from.done()) {
      if (!from.next(part)) return fail("bad entry of " + std::string(as.name()));
      if (part.number == 1 && part.type == wire::length) key = part.data;
      if (part.number == 2 && !element(part, as, value, depth)) return fail("bad value of " + std::string(as.name()));
    }
    map[key] = std::move(value);
    return true;
  }

  static json empty_of(const field& as) {
    if (as.type == field_type::message) return json::object();
    if (as.type == field_type::text_list) return json::array();
    if (as.type == field_type::integer) return 0;
    if (as.type == field_type::boolean) return false;
    return as.type == field_type::quantity ? "0" : "";
  }

  bool element(const entry& at, const field& as, json& out, int depth) {
    if (as.type != field_type::message) return scalar(at, as, out, depth);
    if (at.type != wire::length) return false;
    out = json::object();
    return message(at.data, schema::message_at(as.message_index), out, depth + 1);
  }

  bool scalar(const entry& at, const field& as, json& out, int depth) {
    if (depth > protobuf_depth_max) return false;
    switch (as.type) {
      case field_type::integer:
        out = static_cast<std::int64_t>(at.value);
        return at.type == wire::varint;
      case field_type::boolean:
        out = at.value != 0;
        return at.type == wire::varint;
      case field_type::number: return floating(at, out);
      default: break;
    }
    if (at.type != wire::length) return false;
    switch (as.type) {
      case field_type::text: out = at.data; return true;
      case field_type::base64: out = to_base64(at.data); return true;
      case field_type::time:
      case field_type::micro_time: return time(at.data, as.type == field_type::micro_time, out);
      case field_type::duration: return duration_text(at.data, out);
      case field_type::quantity: return quantity(at.data, out);
      case field_type::int_or_string: return int_or_string(at.data, out);
      case field_type::text_list: return text_list(at.data, out);
      case field_type::any: return raw_json(at.data, out);
      default: return false;
    }
  }

  static bool floating(const entry& at, json& out) {
    if (at.type != wire::fixed64) return false;
    double value = 0;
    static_assert(sizeof value == sizeof at.value);
    std::memcpy(&value, &at.value, sizeof value);
    out = value;
    return true;
  }

  /// Reads a small message of varints: values[number].
  static bool varints(std::string_view raw, std::uint64_t (&values)[4], std::string_view (&texts)[4]) {
    reader from(raw);
    entry at;
    while (!from.done()) {
      if (!from.next(at)) return false;
      if (at.number >= 4) continue;
      if (at.type == wire::varint) values[at.number] = at.value;
      if (at.type == wire::length) texts[at.number] = at.data;
    }
    return true;
  }

  static bool time(std::string_view raw, bool micro, json& out) {
    std::uint64_t values[4] = {};
    std::string_view texts[4];
    if (!varints(raw, values, texts)) return false;
    out = nullptr;
    if (raw.empty() || (values[1] == 0 && values[2] == 0)) return true;
    auto seconds = static_cast<std::int64_t>(values[1]);
    auto nanos = static_cast<std::int64_t>(values[2]);
    // What a time of ours can hold: the years 1678 to 2262.
    constexpr std::int64_t seconds_max = std::numeric_limits<std::int64_t>::max() / 1'000'000'000 - 1;
    if (seconds > seconds_max || seconds < -seconds_max || nanos < 0 || nanos > 999'999'999) return false;
    wall_time at(std::chrono::seconds(seconds) + std::chrono::nanoseconds(nanos));
    out = micro ? to_rfc3339_micro(at) : to_rfc3339(at);
    return true;
  }

  static bool duration_text(std::string_view raw, json& out) {
    std::uint64_t values[4] = {};
    std::string_view texts[4];
    if (!varints(raw, values, texts)) return false;
    auto nanos = static_cast<std::int64_t>(values[1]);
    std::string text = std::to_string(nanos / 1'000'000'000);
    if (auto rest = std::to_string(std::abs(nanos % 1'000'000'000)); rest != "0") {
      rest.insert(0, 9 - rest.size(), '0');
      rest.erase(rest.find_last_not_of('0') + 1);
      if (nanos < 0 && nanos > -1'000'000'000) text.insert(0, "-");
      text.append(".").append(rest);
    }
    out = text + "s";
    return true;
  }

  static bool quantity(std::string_view raw, json& out) {
    std::uint64_t values[4] = {};
    std::string_view texts[4];
    out = nullptr;
    if (!varints(raw, values, texts)) return false;
    out = texts[1].empty() ? std::string_view("0") : texts[1];
    return true;
  }

  static bool int_or_string(std::string_view raw, json& out) {
    std::uint64_t values[4] = {};
    std::string_view texts[4];
    if (!varints(raw, values, texts)) return false;
    if (values[1] == 0) out = static_cast<std::int64_t>(static_cast<std::int32_t>(values[2]));
    else out = texts[3];
    return true;
  }

  static bool text_list(std::string_view raw, json& out) {
    reader from(raw);
    entry at;
    out = json::array();
    while (!from.done()) {
      if (!from.next(at)) return false;
      if (at.number == 1 && at.type == wire::length) out.push_back(at.data);
    }
    return true;
  }

  static bool raw_json(std::string_view raw, json& out) {
    std::uint64_t values[4] = {};
    std::string_view texts[4];
    if (!varints(raw, values, texts)) return false;
    out = nullptr;
    if (texts[1].empty()) return true;
    auto parsed = parse_json(texts[1]);
    if (parsed) out = std::move(*parsed);
    return parsed.ok();
  }
};

/// Protobuf's strings must be UTF-8; JSON cannot carry anything else.
bool valid_utf8(const json& value) {
  try {
    (void)value.dump();
    return true;
  } catch (const json::exception&) {
    return false;
  }
}

}  // namespace

result<unknown_envelope> open_envelope(std::string_view body) {
  constexpr std::string_view magic("k8s\0", 4);
  if (!body.starts_with(magic)) return {errc::invalid, "provided data does not appear to be a protobuf message"};
  unknown_envelope out;
  reader from(body.substr(magic.size()));
  entry at;
  std::string_view type;
  while (!from.done()) {
    if (!from.next(at)) return {errc::invalid, "broken envelope"};
    if (at.number == 1 && at.type == wire::length) type = at.data;
    if (at.number == 2 && at.type == wire::length) out.raw = at.data;
    if (at.number == 3 && !at.data.empty()) return {errc::invalid, "unable to decode with content encoding"};
  }
  reader meta(type);
  while (!meta.done()) {
    if (!meta.next(at)) return {errc::invalid, "broken type in envelope"};
    if (at.number == 1) out.api_version = at.data;
    if (at.number == 2) out.kind = at.data;
  }
  return out;
}

result<json> decode_message(std::string_view raw, const schema::message& as) {
  decoder decode;
  json out = json::object();
  if (!decode.message(raw, as, out, 0)) return {errc::invalid, decode.fault};
  if (!valid_utf8(out)) return {errc::invalid, "text that is not UTF-8"};
  return out;
}

}  // namespace troupe::apiserver
