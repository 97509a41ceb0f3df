// Numbers of an indexed job's pods as its status spells them. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace troupe::controllers {

/// "0-3,5,7" and the numbers it means, in order.
std::vector<std::int64_t> parse_indexes(const std::string& text);
std::string print_indexes(const std::vector<std::int64_t>& all);

}  // namespace troupe::controllers
