#include "net/sim/node/filter.hpp"

#include <algorithm>
#include <vector>

namespace troupe::net::sim {
namespace {

using contents = filter_twin::contents;

std::string_view word(std::string_view& rest) {
  const auto end = std::min(rest.find(' '), rest.size());
  const auto out = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return out;
}

/// The texts between the braces, at commas.
std::vector<std::string> members(std::string_view braces) {
  std::vector<std::string> out;
  if (braces.size() < 4) return out;
  braces = braces.substr(2, braces.size() - 4);
  while (!braces.empty()) {
    const auto end = std::min(braces.find(", "), braces.size());
    out.emplace_back(braces.substr(0, end));
    braces.remove_prefix(std::min(end + 2, braces.size()));
  }
  return out;
}

/// Names of chains and sets in a rule or verdict that must be there.
bool names_stand(const contents& table, const std::string& text) {
  for (std::string_view rest = text; !rest.empty();) {
    const auto one = word(rest);
    if (one.starts_with("@") && !table.contains("set " + std::string(one.substr(1)))) return false;
    if (one == "goto" || one == "jump") {
      auto to = std::string(rest.substr(0, std::min(rest.find_first_of(" ,"), rest.size())));
      if (!table.contains("chain " + to)) return false;
    }
  }
  return true;
}

bool is_named(const contents& table, const std::string& kind, const std::string& name) {
  for (const auto& [key, text] : table)
    for (std::string_view rest = text; !rest.empty();) {
      const auto one = word(rest);
      if (kind == "set" && one == "@" + name) return true;
      if (kind == "chain" && (one == "goto" || one == "jump") && rest.substr(0, std::min(rest.find_first_of(" ,"), rest.size())) == name) return true;
    }
  return false;
}

void flush_chain(contents& table, const std::string& name) {
  std::erase_if(table, [&](const auto& e) { return e.first.starts_with("chain " + name + " #"); });
}

std::string add(contents& table, std::string_view what, std::string_view rest) {
  const std::string name(word(rest));
  if (what == "set" || what == "map") return table["set " + name] = rest, "";
  if (what == "chain") return table["chain " + name] = rest, "";
  if (what == "rule") {
    if (!table.contains("chain " + name)) return "no chain " + name;
    if (!names_stand(table, std::string(rest))) return "a rule of " + name + " names what is not there: " + std::string(rest);
    for (int i = 0;; ++i)
      if (table.emplace("chain " + name + " #" + std::to_string(1000 + i), rest).second) return "";
  }
  if (what != "element" || !table.contains("set " + name)) return "no set " + name;
  for (const auto& one : members(rest)) {
    const auto colon = one.find(" : ");
    const auto value = colon == one.npos ? std::string() : one.substr(colon + 3);
    if (!names_stand(table, value)) return "an element of " + name + " names what is not there: " + value;
    const auto [at, fresh] = table.emplace("element " + name + " " + one.substr(0, colon), value);
    if (!fresh && at->second != value) return "an element of " + name + " is there already: " + one;
  }
  return "";
}

std::string remove(contents& table, std::string_view what, std::string_view rest) {
  const std::string name(word(rest));
  if (what == "element") {
    for (const auto& one : members(rest))
      if (table.erase("element " + name + " " + one) == 0) return "no element " + one + " in " + name;
    return "";
  }
  const std::string kind = what == "chain" ? "chain" : "set";
  if (table.erase(kind + " " + name) == 0) return "no " + kind + " " + name;
  if (kind == "chain") flush_chain(table, name);
  else std::erase_if(table, [&](const auto& e) { return e.first.starts_with("element " + name + " "); });
  return is_named(table, kind, name) ? kind + " " + name + " is in use" : "";
}

std::string run(std::map<std::string, contents>& tables, std::string_view line) {
  const auto verb = word(line), what = word(line), family = word(line);
  const std::string table(word(line));
  if (family != "ip") return "not of our family: " + std::string(family);
  if (what == "table") {
    if (verb == "add") return tables[table], "";
    return tables.erase(table) ? "" : "no table " + table;
  }
  const auto found = tables.find(table);
  if (found == tables.end()) return "no table " + table;
  if (verb == "add") return add(found->second, what, line);
  if (verb == "delete") return remove(found->second, what, line);
  if (verb == "flush" && what == "chain") return flush_chain(found->second, std::string(line)), "";
  return "an unknown command";
}

}  // namespace

result<void> filter_twin::apply(std::string_view commands) {
  ++transactions_;
  if (refusals_ > 0) return --refusals_, fail(errc::invalid, "refused by script");
  auto next = tables_;
  while (!commands.empty()) {
    const auto end = std::min(commands.find('\n'), commands.size());
    if (const auto why = run(next, commands.substr(0, end)); !why.empty()) return fail(errc::invalid, why + ", at: " + std::string(commands.substr(0, std::min<std::size_t>(end, 200))));
    commands.remove_prefix(std::min(end + 1, commands.size()));
  }
  tables_ = std::move(next);
  return {};
}

result<bool> filter_twin::has_element(const std::string& table, const std::string& set, const std::string& element) {
  const auto found = tables_.find(table);
  return found != tables_.end() && found->second.contains("element " + set + " " + element);
}

result<void> filter_twin::forget_udp(const std::vector<endpoint>& replying, const std::vector<endpoint>& asked) {
  forgotten_.insert(forgotten_.end(), replying.begin(), replying.end());
  forgotten_.insert(forgotten_.end(), asked.begin(), asked.end());
  return {};
}

}  // namespace troupe::net::sim
