// Our table `troupe` in the packet filter, kept to what each Service asks for. Pure: texts come out, nothing is done.
//
// Most Services are elements of maps only, so that one change costs the same whether there are two Services or two
// thousand: address, protocol and port name a chain for "one of N", which draws a number and so a map, where the target is found.
// Services with session affinity and with allowed sources have chains of their own. docs/decisions/150.
#pragma once
#include <map>
#include <set>
#include <string>

#include "actors/service_proxy/rules.hpp"
#include "actors/service_proxy/ruleset.hpp"

namespace troupe::service_proxy {

class table {
 public:
  explicit table(node_facts node);

  /// The Service `key` asks for this now; an empty `served` when it is gone.
  void set(const std::string& key, served now);
  /// Commands for what has changed; empty when nothing has.
  std::string changes() { return rules_.changes(); }
  /// Commands that make the whole table anew and mark it with `mark`, by which it is known again.
  std::string whole(std::uint32_t mark);
  /// UDP targets that have gone since the last call: what connections the kernel remembers to them leads nowhere.
  std::set<endpoint> take_lost_udp();
  /// UDP addresses that nobody answered before and somebody does now: what the kernel remembers of them leads past us.
  std::set<endpoint> take_found_udp();
  const node_facts& node() const { return node_; }

  static constexpr const char* name = "troupe";
  static constexpr const char* mark_set = "written";
  static std::string mark_text(std::uint32_t mark) { return std::to_string(mark); }

 private:
  void make_frame();
  void put(const std::string& owner, const std::string& set, const std::string& key, const std::string& value);
  void drop(const std::string& owner, const std::string& set, const std::string& key);
  void add(const std::string& owner, const frontend& front);
  void remove(const std::string& owner, const frontend& front);
  std::string slot(plane where, std::size_t place);
  std::string lot(const frontend& front);
  void add_own_chain(const frontend& front, const std::string& chain_name);
  void note_udp(const served& before, const served& now);

  node_facts node_;
  ruleset rules_;
  std::map<std::string, served> services_;
  /// Who wants which element: where two Services want one, the first by name has it.
  std::map<std::pair<std::string, std::string>, std::map<std::string, std::string>> owners_;
  std::set<endpoint> lost_udp_, found_udp_;
};

}  // namespace troupe::service_proxy
