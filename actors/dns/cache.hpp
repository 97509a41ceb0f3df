// What servers outside said, for as long as they allow, and not longer than CoreDNS in K3s keeps it. Pure; time is handed in.
#pragma once
#include <list>
#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "actors/dns/message.hpp"
#include "basis/clock.hpp"

namespace troupe::dns {

inline constexpr std::size_t cache_entries_max = 4096, cache_bytes_max = 2 * 1024 * 1024;
inline constexpr std::uint32_t cache_ttl_max = 30;    ///< s

class cache {
 public:
  /// Keeps an answer that may be kept: whole, positive or "no such name", to live at least a second.
  void put(const reply& said, mono_time now);
  /// The answer to this question, with lives that have shrunk.
  std::optional<answer> find(const std::string& name, std::uint16_t type, mono_time now);
  std::size_t size() const { return entries_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  using key = std::pair<std::string, std::uint16_t>;
  struct entry {
    answer said;
    std::size_t bytes = 0;
    mono_time came{}, ends{};
    std::list<key>::iterator used;
  };
  void drop(std::map<key, entry>::iterator which);

  std::map<key, entry> entries_;
  std::list<key> by_use_;      ///< The longest unused first.
  std::size_t bytes_ = 0;
};

}  // namespace troupe::dns
