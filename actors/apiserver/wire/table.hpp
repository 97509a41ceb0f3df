// Tables as kubectl prints them: columns from the schema, cells computed per kind. Pure.
#pragma once
#include <string>

#include "actors/apiserver/wire/render.hpp"

namespace troupe::apiserver {

/// JSON array of the column definitions of a kind.
std::string column_definitions(const schema::kind& kind);
/// JSON object of one row: cells, and the object as much as how.as.include says.
std::string table_row(const rendering& how, const model::document& item);
/// Go's duration.HumanDuration: "5s", "3m20s", "4h", "12d", "3y5d".
std::string human_duration(duration age);

}  // namespace troupe::apiserver
