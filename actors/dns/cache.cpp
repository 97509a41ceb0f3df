#include "actors/dns/cache.hpp"

#include <algorithm>

namespace troupe::dns {

void cache::drop(std::map<key, entry>::iterator which) {
  bytes_ -= which->second.bytes;
  by_use_.erase(which->second.used);
  entries_.erase(which);
}

void cache::put(const reply& said, mono_time now) {
  const key at{said.name, said.type};
  if (const auto old = entries_.find(at); old != entries_.end()) drop(old);
  if (said.cut || said.ttl_least == 0 || (said.code != rcode::ok && said.code != rcode::no_such_name)) return;
  entry one;
  one.said.code = said.code;
  one.said.answers = said.answers;
  one.said.authority = said.authority;
  one.bytes = 200 + 2 * said.name.size();
  for (const auto* list : {&said.answers, &said.authority})
    for (const auto& r : *list) one.bytes += sizeof(record) + r.name.size() + r.data.size();
  if (one.bytes > cache_bytes_max / 16) return;
  by_use_.push_back(at);
  one.used = std::prev(by_use_.end());
  one.came = now;
  one.ends = now + std::chrono::seconds(std::min(said.ttl_least, cache_ttl_max));
  bytes_ += one.bytes;
  entries_.emplace(at, std::move(one));
  while (entries_.size() > cache_entries_max || bytes_ > cache_bytes_max) drop(entries_.find(by_use_.front()));
}

std::optional<answer> cache::find(const std::string& name, std::uint16_t type, mono_time now) {
  const auto found = entries_.find({name, type});
  if (found == entries_.end()) return std::nullopt;
  auto& kept = found->second;
  if (now >= kept.ends) return drop(found), std::nullopt;
  by_use_.splice(by_use_.end(), by_use_, kept.used);
  auto out = kept.said;
  const auto passed = static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(now - kept.came).count());
  for (auto* list : {&out.answers, &out.authority})
    for (auto& r : *list) r.ttl -= std::min(passed, r.ttl);
  return out;
}

}  // namespace troupe::dns
