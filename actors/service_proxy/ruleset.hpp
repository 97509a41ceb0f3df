// Our table in the packet filter as data, and the text that brings the kernel from what it was told last to what it should
// be: adds and deletes of elements, and of the few chains and sets that come and go. Pure.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe::service_proxy {

/// A chain: what stands in its braces (hook and priority; empty for chains that are only jumped to), and its rules.
struct chain {
  std::string head;
  std::vector<std::string> rules;
  friend bool operator==(const chain&, const chain&) = default;
};

class ruleset {
 public:
  explicit ruleset(std::string table) : table_(std::move(table)) {}

  /// `declaration` is what stands in the braces of a set ("type ipv4_addr ;") or of a map (it has a colon).
  void put_set(const std::string& name, const std::string& declaration);
  void drop_set(const std::string& name);
  void put_chain(const std::string& name, chain of);
  void drop_chain(const std::string& name);
  bool has_chain(const std::string& name) const { return chains_.contains(name); }
  /// An empty `value` is a set's element.
  void put_element(const std::string& set, const std::string& key, const std::string& value);
  void drop_element(const std::string& set, const std::string& key);

  /// The commands for what has changed since the last call of changes() or whole(); empty when nothing has.
  std::string changes();
  /// The commands that make the table anew, whatever it was. Begins the count of changes anew too.
  std::string whole();
  const std::string& table() const { return table_; }
  std::size_t elements() const { return elements_.size(); }

 private:
  using element = std::pair<std::string, std::string>;   // set, key
  template <class K, class V>
  using journal = std::map<K, std::optional<V>>;         // what it was before the first change
  std::string render(const journal<std::string, std::string>& sets, const journal<std::string, chain>& chains, const journal<element, std::string>& elements) const;

  std::string table_;
  std::map<std::string, std::string> sets_;
  std::map<std::string, chain> chains_;
  std::map<element, std::string> elements_;
  journal<std::string, std::string> old_sets_;
  journal<std::string, chain> old_chains_;
  journal<element, std::string> old_elements_;
};

}  // namespace troupe::service_proxy
