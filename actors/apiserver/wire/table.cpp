#include "actors/apiserver/wire/table.hpp"

#include "actors/apiserver/wire/cells.hpp"

namespace troupe::apiserver {

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
