// The packet filter's twin: keeps the rules that it is told as text, and refuses what the kernel would refuse (what is not
// there cannot be deleted or named). Knows the commands that our rooms write, one per line. One thread.
#pragma once
#include <map>
#include <string>

#include "net/filter/filter.hpp"

namespace troupe::net::sim {

class filter_twin final : public packet_filter {
 public:
  /// "chain NAME {head}" and "chain NAME #i" -> rule; "set NAME" -> declaration; "element SET KEY" -> value.
  using contents = std::map<std::string, std::string>;

  result<void> claim() override { return taken ? result<void>(errc::already_exists, "taken by script") : result<void>(); }
  bool taken = false;   ///< Another node of this machine was first.
  result<void> apply(std::string_view commands) override;
  result<bool> has_element(const std::string& table, const std::string& set, const std::string& element) override;
  result<void> forget_udp(const std::vector<endpoint>& replying, const std::vector<endpoint>& asked) override;

  const std::map<std::string, contents>& tables() const { return tables_; }
  /// Somebody's `nft flush ruleset`.
  void flush() { tables_.clear(); }
  /// The next `count` transactions fail and change nothing.
  void refuse(int count) { refusals_ = count; }
  int transactions() const { return transactions_; }
  const std::vector<endpoint>& forgotten() const { return forgotten_; }

 private:
  std::map<std::string, contents> tables_;
  std::vector<endpoint> forgotten_;
  int refusals_ = 0, transactions_ = 0;
};

}  // namespace troupe::net::sim
