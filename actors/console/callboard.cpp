#include "actors/console/callboard.hpp"

#include <algorithm>
#include <cstdio>

#include "actors/runtime/cells.hpp"
#include "basis/json.hpp"

namespace troupe::console {
namespace {

/// "stuck" is a slice that has not ended for a second; the shortest slices are not timed, so 1 ns means
/// that it runs since an unknown, short time.
constexpr std::uint64_t stuck_ns = 1'000'000'000;

std::string state_of(const rt::cell_view& v, bool depth) {
  if (v.dead) return "dead";
  if (v.running_ns > stuck_ns && v.running_ns < (1ull << 62)) return depth ? "stuck" : "busy";
  return v.running_ns > 0 ? "running" : "idle";
}

std::string padded(std::string text, std::size_t width, bool right = false) {
  if (text.size() > width) text = text.substr(0, width - 1) + "~";
  const std::string blank(width - text.size(), ' ');
  return right ? blank + text : text + blank;
}

}  // namespace

std::string callboard_json() {
  json all = json::array();
  for (const auto& v : rt::theatre::instance().views()) {
    const auto depth = v.received > v.handled ? v.received - v.handled : 0;
    all.push_back({{"id", v.id}, {"parent", v.parent}, {"room", v.room}, {"name", v.name}, {"detail", v.detail},
                   {"depth", depth}, {"received", v.received}, {"handled", v.handled}, {"last_message", v.last_message},
                   {"busy_ms", static_cast<double>(v.busy_ns) / 1e6}, {"longest_slice_ms", static_cast<double>(v.slice_ns_max) / 1e6},
                   {"restarts", v.restarts}, {"state", state_of(v, depth > 0)}, {"last_error", v.last_error}});
  }
  json notices = json::object();
  for (const auto& [topic, text] : rt::theatre::instance().notices())
    if (auto read = parse_json(text); read.ok()) notices[topic] = std::move(*read);
  return to_text({{"actors", std::move(all)}, {"notices", std::move(notices)}}) + "\n";
}

result<std::string> callboard_table(const std::string& json_text) {
  const auto board = parse_json(json_text);
  if (!board.ok() || !dig(*board, "actors").is_array()) return fail(errc::invalid, "the answer is no callboard");
  std::string out = padded("ID", 5, true) + "  " + padded("PARENT", 6, true) + "  " + padded("ROOM", 14) + padded("ACTOR", 14) +
                    padded("DETAIL", 26) + padded("STATE", 8) + padded("DEPTH", 6, true) + padded("HANDLED", 10, true) +
                    padded("BUSY ms", 10, true) + padded("MAX ms", 9, true) + padded("RESTARTS", 9, true) + "  LAST MESSAGE\n";
  for (const auto& a : dig(*board, "actors")) {
    const auto number = [&](const char* key) {
      const json& value = dig(a, key);
      return std::to_string(value.is_number_integer() ? value.get<std::uint64_t>() : 0);
    };
    const auto real = [&](const char* key) {
      char text[32];
      const json& value = dig(a, key);
      std::snprintf(text, sizeof text, "%.1f", value.is_number() ? value.get<double>() : 0.0);
      return std::string(text);
    };
    out += padded(number("id"), 5, true) + "  " + padded(number("parent"), 6, true) + "  " + padded(text_or(dig(a, "room")), 14) +
           padded(text_or(dig(a, "name")), 14) + padded(text_or(dig(a, "detail")), 25) + " " + padded(text_or(dig(a, "state")), 8) +
           padded(number("depth"), 6, true) + padded(number("handled"), 10, true) + padded(real("busy_ms"), 10, true) +
           padded(real("longest_slice_ms"), 9, true) + padded(number("restarts"), 9, true) + "  " + text_or(dig(a, "last_message"));
    if (const auto why = text_or(dig(a, "last_error")); !why.empty()) out += "  ! " + why;
    out += "\n";
  }
  return out;
}

}  // namespace troupe::console
