#include "actors/controllers/job/indexes.hpp"

namespace troupe::controllers {

std::vector<std::int64_t> parse_indexes(const std::string& text) {
  std::vector<std::int64_t> out;
  std::int64_t from = -1, value = 0;
  bool any = false;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ',';
    if (c >= '0' && c <= '9') {
      value = value * 10 + (c - '0'), any = true;
    } else if (c == '-') {
      from = value, value = 0;
    } else {
      constexpr std::int64_t span_max = 100000;
      if (any)
        for (auto k = from < 0 ? value : from; k <= value && value - from <= span_max; ++k) out.push_back(k);
      from = -1, value = 0, any = false;
    }
  }
  return out;
}

std::string print_indexes(const std::vector<std::int64_t>& all) {
  std::string out;
  for (std::size_t i = 0; i < all.size();) {
    std::size_t last = i;
    while (last + 1 < all.size() && all[last + 1] == all[last] + 1) ++last;
    out.append(out.empty() ? "" : ",").append(std::to_string(all[i]));
    if (last > i) out.append(last == i + 1 ? "," : "-").append(std::to_string(all[last]));
    i = last + 1;
  }
  return out;
}

}  // namespace troupe::controllers
