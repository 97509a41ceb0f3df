#include "actors/apiserver/wire/cells.hpp"

#include <vector>

#include "actors/apiserver/wire/table.hpp"

namespace troupe::apiserver {
namespace {

constexpr std::size_t listed_max = 3;

std::string text_at(const json& object, std::string_view path, std::string otherwise) {
  const auto& value = value_at(object, path);
  auto text = value.is_string() ? value.get<std::string>() : value.is_null() ? std::string() : to_text(value);
  return text.empty() ? otherwise : text;
}

std::string joined(const std::vector<std::string>& parts, std::size_t count) {
  std::string out;
  for (const auto& each : parts) out.append(out.empty() ? "" : ",").append(each);
  if (count > parts.size()) out.append(" + ").append(std::to_string(count - parts.size())).append(" more...");
  return out;
}

std::string map_text(const json& map) {
  std::string out;
  if (map.is_object())
    for (const auto& [key, value] : map.items())
      out.append(out.empty() ? "" : ",").append(key).append("=").append(text_or(value));
  return out.empty() ? "<none>" : out;
}

std::string trim(std::string text) {
  auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string host_port(const std::string& host, const json& port) {
  auto number = port.is_number_integer() ? std::to_string(port.get<std::int64_t>()) : std::string("0");
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + number;
}

std::string endpoints_text(const json& object) {
  std::vector<std::string> list;
  std::size_t count = 0;
  auto add = [&](std::string text) {
    if (++count <= listed_max) list.push_back(std::move(text));
  };
  for (const auto& subset : dig(object, "subsets")) {
    const auto& ports = dig(subset, "ports");
    for (const auto& address : dig(subset, "addresses"))
      if (ports.empty()) add(text_or(dig(address, "ip")));
    for (const auto& port : ports)
      for (const auto& address : dig(subset, "addresses"))
        add(host_port(text_or(dig(address, "ip")), dig(port, "port")));
  }
  return count == 0 ? "<none>" : joined(list, count);
}

std::string slice_ports(const json& object) {
  std::vector<std::string> list;
  std::size_t count = 0;
  for (const auto& port : dig(object, "ports")) {
    auto text = text_or(dig(port, "name"), "*");
    if (dig(port, "port").is_number_integer()) text = std::to_string(dig(port, "port").get<std::int64_t>());
    if (++count <= listed_max) list.push_back(text.empty() ? "*" : text);
  }
  return count == 0 ? "<unset>" : joined(list, count);
}

std::string slice_endpoints(const json& object) {
  std::vector<std::string> list;
  std::size_t count = 0;
  for (const auto& endpoint : dig(object, "endpoints"))
    for (const auto& address : dig(endpoint, "addresses"))
      if (++count <= listed_max) list.push_back(text_or(address));
  return count == 0 ? "<unset>" : joined(list, count);
}

}  // namespace

const json& value_at(const json& object, std::string_view path) {
  const json* at = &object;
  while (!path.empty()) {
    auto part = path.substr(0, path.find('.'));
    at = &dig(*at, std::string(part));
    path.remove_prefix(std::min(part.size() + 1, path.size()));
  }
  return *at;
}

std::string since(const json& time, wall_time now) {
  auto at = parse_rfc3339(text_or(time));
  return at ? human_duration(now - *at) : "<unknown>";
}

json compute_cell(std::string_view cell, const json& object, wall_time now) {
  auto name = cell.substr(0, cell.find(' '));
  auto argument = cell.substr(std::min(name.size() + 1, cell.size()));
  if (name == "name") return text_or(dig(object, "metadata", "name"));
  if (name == "age") return since(dig(object, "metadata", "creationTimestamp"), now);
  if (name == "path") return text_at(object, argument, "");
  if (name == "or_none") return text_at(object, argument, "<none>");
  if (name == "or_unknown") return text_at(object, argument, "<unknown>");
  if (name == "map") return map_text(value_at(object, argument));
  if (name == "trim") return trim(text_at(object, argument, ""));
  if (name == "count") return value_at(object, argument).size();
  if (name == "data_count") return dig(object, "data").size() + dig(object, "binaryData").size();
  if (name == "endpoints") return endpoints_text(object);
  if (name == "slice_ports") return slice_ports(object);
  if (name == "slice_endpoints") return slice_endpoints(object);
  auto out = compute_kind_cell(name, object, now);
  if (out.is_null()) out = compute_apps_cell(name, argument, object, now);
  if (out.is_null()) out = compute_object_cell(name, argument, object);
  return out.is_null() ? json("<unknown>") : out;
}

std::string column_definitions(const schema::kind& kind) {
  json out = json::array();
  for (const auto& each : kind.columns)
    out.push_back({{"name", each.name}, {"type", each.type}, {"format", each.format}, {"description", ""},
                   {"priority", each.priority}});
  return to_text(out);
}

std::string table_row(const rendering& how, const model::document& item) {
  auto object = model::parse(item);
  std::string out = "{\"cells\":[";
  for (const auto& each : how.served->columns) {
    if (&each != how.served->columns.data()) out += ',';
    out.append(to_text(compute_cell(each.cell, object, how.now)));
  }
  out.append("],\"object\":");
  switch (how.as.include) {
    case include_object::none: out.append("null"); break;
    case include_object::object: out.append(model::text_as(item, *how.served)); break;
    case include_object::metadata:
      out.append(to_text({{"kind", "PartialObjectMetadata"}, {"apiVersion", "meta.k8s.io/v1"},
                          {"metadata", object["metadata"]}}));
      break;
  }
  return out += "}";
}

std::string human_duration(duration age) {
  using std::to_string;
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(age).count();
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  auto pair = [](long long big, const char* big_unit, long long small, const char* small_unit) {
    auto out = to_string(big) + big_unit;
    return small == 0 ? out : out + to_string(small) + small_unit;
  };
  if (seconds < 60 * 2) return to_string(seconds) + "s";
  auto minutes = seconds / 60;
  if (minutes < 10) return pair(minutes, "m", seconds % 60, "s");
  if (minutes < 60 * 3) return to_string(minutes) + "m";
  auto hours = minutes / 60;
  if (hours < 8) return pair(hours, "h", minutes % 60, "m");
  if (hours < 48) return to_string(hours) + "h";
  if (hours < 24 * 8) return pair(hours / 24, "d", hours % 24, "h");
  if (hours < 24 * 365 * 2) return to_string(hours / 24) + "d";
  if (hours < 24 * 365 * 8) return pair(hours / 24 / 365, "y", hours / 24 % 365, "d");
  return to_string(hours / 24 / 365) + "y";
}

}  // namespace troupe::apiserver
