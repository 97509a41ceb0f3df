#include "actors/secrets/key_record.hpp"

#include <algorithm>

namespace troupe::secrets {
namespace {

auto find_key(encryption& in, std::string_view name) {
  return std::find_if(in.keys.begin(), in.keys.end(), [&](const auto& k) { return k.name == name; });
}

}  // namespace

std::string render_record(const key_record& what) {
  json out{{"stage", what.stage}, {"config", render_encryption(what.keys)}};
  if (!what.next_key.empty()) out["next"] = {{"key", what.next_key}, {"enabled", what.next_enabled}};
  return to_text(out);
}

result<key_record> parse_record(std::string_view text) {
  const auto read = parse_json(text);
  if (!read.ok()) return fail(errc::invalid, "it is no JSON");
  key_record out;
  auto keys = parse_encryption(text_or(dig(*read, "config")));
  if (!keys.ok()) return keys.why();
  out.keys = std::move(*keys);
  out.stage = text_or(dig(*read, "stage"));
  out.next_key = text_or(dig(*read, "next", "key"));
  out.next_enabled = dig(*read, "next", "enabled") != json(false);
  if (out.stage != stage_start && out.stage != stage_prepare && out.stage != stage_active && out.stage != stage_finished) return fail(errc::invalid, "its stage \"" + out.stage + "\" is unknown");
  if (out.stage == stage_prepare && find_key(out.keys, out.next_key) == out.keys.keys.end()) return fail(errc::invalid, "it names a next key that it does not hold");
  return out;
}

key_record first_record(const encryption* now, const encryption& wanted) {
  key_record out;
  out.next_key = wanted.keys.front().name;
  out.next_enabled = wanted.enabled;
  if (now) out.keys = *now;
  else out.keys.enabled = false;
  if (find_key(out.keys, out.next_key) == out.keys.keys.end()) {
    out.keys.keys.push_back(wanted.keys.front());
    out.stage = stage_prepare;
    return out;
  }
  out.stage = stage_prepare;
  return next_record(std::move(out));   // everyone can read it already
}

key_record next_record(key_record now) {
  if (now.stage == stage_prepare) {
    const auto at = find_key(now.keys, now.next_key);
    std::rotate(now.keys.keys.begin(), at, at + 1);
    now.keys.enabled = now.next_enabled;
    now.stage = stage_active;
  } else {
    now.keys.keys.resize(1);
    now.stage = stage_finished;
  }
  now.next_key.clear();
  now.next_enabled = true;
  return now;
}

}  // namespace troupe::secrets
