// How the cells of tables are computed. A column names its cell in the schema: "path status.phase", "age". Pure.
#pragma once
#include <string_view>

#include "basis/clock.hpp"
#include "basis/json.hpp"

namespace troupe::apiserver {

/// The cell of a stored object; "<unknown>" for a cell that nobody knows.
json compute_cell(std::string_view cell, const json& object, wall_time now);
/// Cells of Pods, Nodes, Services and Events live in cells_workload.cpp; null JSON when `name` is none of them.
json compute_kind_cell(std::string_view name, const json& object, wall_time now);
/// Cells of cells/apps.cpp (workloads) and cells/objects.cpp (the rest); null JSON when `name` is none of them.
json compute_apps_cell(std::string_view name, std::string_view argument, const json& object, wall_time now);
json compute_object_cell(std::string_view name, std::string_view argument, const json& object);
/// The value at a dotted path; null JSON when something is missing.
const json& value_at(const json& object, std::string_view path);
/// "5m" since an RFC 3339 time; "<unknown>" when there is none.
std::string since(const json& time, wall_time now);

}  // namespace troupe::apiserver
