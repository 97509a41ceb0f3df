// check_history: reads a history, one JSON object a line, from standard input and says whether it is linearizable.
//
//   {"client":"a","key":"k","op":"update","expected":3,"value":"v7","start":12,"end":15,"outcome":"committed","revision":4}
//
// op: create, update, erase, read. outcome: committed (a read: ok), conflict, refused, unknown. `end` may be missing.
// Prints each violation and, last, "N operations, N violations"; exits with 0, 1 (violations) or 2 (cannot be read).
#include <cstdio>
#include <iostream>
#include <map>

#include "basis/json.hpp"
#include "tests/harness/linearizable.hpp"

using troupe::testing::history_entry;

namespace {
const std::map<std::string, history_entry::kind> kinds = {{"create", history_entry::kind::create},
                                                          {"update", history_entry::kind::update},
                                                          {"erase", history_entry::kind::erase},
                                                          {"read", history_entry::kind::read}};
const std::map<std::string, history_entry::said> outcomes = {{"committed", history_entry::said::committed},
                                                             {"ok", history_entry::said::committed},
                                                             {"conflict", history_entry::said::conflict},
                                                             {"refused", history_entry::said::refused},
                                                             {"unknown", history_entry::said::unknown}};

bool read_entry(const troupe::json& from, history_entry& out) {
  const auto kind = kinds.find(troupe::text_or(troupe::dig(from, "op")));
  const auto outcome = outcomes.find(troupe::text_or(troupe::dig(from, "outcome")));
  const auto number = [&](const char* name, std::int64_t otherwise) {
    const auto& found = troupe::dig(from, name);
    return found.is_number_integer() ? found.get<std::int64_t>() : otherwise;
  };
  if (kind == kinds.end() || outcome == outcomes.end() || !troupe::dig(from, "key").is_string() ||
      !troupe::dig(from, "start").is_number_integer())
    return false;
  out.client = troupe::text_or(troupe::dig(from, "client"), "?");
  out.key = troupe::text_or(troupe::dig(from, "key"));
  out.what = kind->second;
  out.outcome = outcome->second;
  out.expected = number("expected", 0);
  out.value = troupe::text_or(troupe::dig(from, "value"));
  out.start = number("start", 0);
  out.end = number("end", INT64_MAX);
  out.revision = number("revision", out.outcome == history_entry::said::conflict ? -1 : 0);
  return out.start <= out.end;
}
}  // namespace

int main() {
  std::vector<history_entry> history;
  std::string line;
  for (int number = 1; std::getline(std::cin, line); ++number) {
    if (line.empty()) continue;
    const auto parsed = troupe::parse_json(line);
    history_entry one;
    if (!parsed || !read_entry(*parsed, one)) {
      std::fprintf(stderr, "check_history: line %d is no operation\n", number);
      return 2;
    }
    history.push_back(std::move(one));
  }
  const auto wrong = troupe::testing::violations(history);
  for (const auto& one : wrong) std::printf("%s\n", one.c_str());
  std::printf("%zu operations, %zu violations\n", history.size(), wrong.size());
  return wrong.empty() ? 0 : 1;
}
