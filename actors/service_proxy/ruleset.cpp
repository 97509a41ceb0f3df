#include "actors/service_proxy/ruleset.hpp"

namespace troupe::service_proxy {
namespace {

template <class M, class J, class K>
void note(const M& present, J& journal, const K& key) {
  if (journal.contains(key)) return;
  const auto found = present.find(key);
  if (found == present.end()) journal.emplace(key, std::nullopt);
  else journal.emplace(key, found->second);
}

template <class M, class J, class K, class V>
void put(M& present, J& journal, const K& key, V value) {
  if (const auto found = present.find(key); found != present.end() && found->second == value) return;
  note(present, journal, key);
  present.insert_or_assign(key, std::move(value));
}
template <class M, class J, class K>
void drop(M& present, J& journal, const K& key) {
  if (!present.contains(key)) return;
  note(present, journal, key);
  present.erase(key);
}

constexpr std::size_t elements_per_command = 200;   // a command is one line

/// Commands of one verb for elements, gathered by set: `verb element ip T S { a, b }`.
class gatherer {
 public:
  gatherer(std::string head, std::string& out) : head_(std::move(head)), out_(out) {}
  ~gatherer() { flush(); }
  gatherer(const gatherer&) = delete;
  void add(const std::string& set, const std::string& text) {
    if (set != set_ || count_ == elements_per_command) flush();
    set_ = set;
    line_ += (count_++ ? ", " : "") + text;
  }

 private:
  void flush() {
    if (count_ == 0) return;
    out_ += head_ + set_ + " { " + line_ + " }\n";
    line_.clear();
    count_ = 0;
  }
  std::string head_, set_, line_;
  std::string& out_;
  std::size_t count_ = 0;
};

}  // namespace

void ruleset::put_set(const std::string& name, const std::string& declaration) { put(sets_, old_sets_, name, declaration); }
void ruleset::drop_set(const std::string& name) { drop(sets_, old_sets_, name); }
void ruleset::put_chain(const std::string& name, chain of) { put(chains_, old_chains_, name, std::move(of)); }
void ruleset::drop_chain(const std::string& name) { drop(chains_, old_chains_, name); }
void ruleset::put_element(const std::string& set, const std::string& key, const std::string& value) { put(elements_, old_elements_, element{set, key}, value); }
void ruleset::drop_element(const std::string& set, const std::string& key) { drop(elements_, old_elements_, element{set, key}); }

std::string ruleset::changes() {
  auto out = render(old_sets_, old_chains_, old_elements_);
  old_sets_.clear(), old_chains_.clear(), old_elements_.clear();
  return out;
}

std::string ruleset::whole() {
  journal<std::string, std::string> sets;
  journal<std::string, chain> chains;
  journal<element, std::string> elements;
  for (const auto& [name, text] : sets_) sets.emplace(name, std::nullopt);
  for (const auto& [name, of] : chains_) chains.emplace(name, std::nullopt);
  for (const auto& [key, value] : elements_) elements.emplace(key, std::nullopt);
  // Added first, so that there is something to delete.
  auto out = "add table ip " + table_ + "\ndelete table ip " + table_ + "\nadd table ip " + table_ + "\n" + render(sets, chains, elements);
  old_sets_.clear(), old_chains_.clear(), old_elements_.clear();
  return out;
}

// In an order in which nothing is named before it is there, or deleted while it is named.
std::string ruleset::render(const journal<std::string, std::string>& sets, const journal<std::string, chain>& chains,
                            const journal<element, std::string>& elements) const {
  std::string out;
  const auto in_table = " ip " + table_ + " ";
  for (const auto& [name, before] : sets)
    if (const auto now = sets_.find(name); now != sets_.end() && !before)
      out += "add " + std::string(now->second.find(" : ") == std::string::npos ? "set" : "map") + in_table + name + " { " + now->second + " }\n";
  for (const auto& [name, before] : chains)
    if (const auto now = chains_.find(name); now != chains_.end() && !before)
      out += "add chain" + in_table + name + (now->second.head.empty() ? "" : " { " + now->second.head + " }") + "\n";
  {
    gatherer gone("delete element" + in_table, out);
    for (const auto& [at, before] : elements) {
      const auto now = elements_.find(at);
      if (before && (now == elements_.end() || now->second != *before)) gone.add(at.first, at.second);
    }
  }
  for (const auto& [name, before] : chains) {
    const auto now = chains_.find(name);
    if (before && (now == chains_.end() || now->second != *before)) out += "flush chain" + in_table + name + "\n";
    if (now == chains_.end() || (before && now->second == *before)) continue;
    for (const auto& rule : now->second.rules) out += "add rule" + in_table + name + " " + rule + "\n";
  }
  {
    gatherer fresh("add element" + in_table, out);
    for (const auto& [at, before] : elements) {
      const auto now = elements_.find(at);
      if (now == elements_.end() || (before && now->second == *before)) continue;
      fresh.add(at.first, now->second.empty() ? at.second : at.second + " : " + now->second);
    }
  }
  for (const auto& [name, before] : chains)
    if (before && !chains_.contains(name)) out += "delete chain" + in_table + name + "\n";
  for (const auto& [name, before] : sets)
    if (before && !sets_.contains(name)) out += "delete set" + in_table + name + "\n";
  return out;
}

}  // namespace troupe::service_proxy
