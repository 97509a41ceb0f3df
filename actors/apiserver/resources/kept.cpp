#include "actors/apiserver/resources/kept.hpp"

#include <algorithm>
#include <map>

namespace troupe::apiserver {
namespace {

/// The latest of the times an event carries; RFC 3339 in UTC compares as text.
std::string_view newest_time(std::string_view event) {
  std::string_view best;
  for (const std::string_view member : {"\"creationTimestamp\":\"", "\"lastTimestamp\":\"", "\"lastObservedTime\":\""}) {
    const auto at = event.find(member);
    if (at == std::string_view::npos) continue;
    const auto from = at + member.size();
    best = std::max(best, event.substr(from, event.find('"', from) - from));
  }
  return best;
}

}  // namespace

std::vector<storage::change> differences(const model::snapshot& known, const storage::page& page, std::string_view prefix) {
  std::map<std::string_view, const storage::record*> there;
  for (const auto& record : page.records) there.emplace(std::string_view(record.key).substr(prefix.size()), &record);
  std::vector<storage::change> out;
  known.each("", [&](const model::document_ptr& one) {
    const auto found = there.find(one->key());
    if (found == there.end() || found->second->created != one->created())
      out.push_back({found == there.end() ? page.head : found->second->created - 1, std::string(prefix).append(one->key()), {}, 0, 0, 0, true});
    return true;
  });
  for (const auto& [key, record] : there) {
    const auto before = known.find(key);
    if (!before || before->modified() != record->modified)
      out.push_back({record->modified, record->key, record->value, record->created, 0, record->version, false});
  }
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
  return out;
}

std::shared_ptr<const std::map<std::string, bool, std::less<>>> active_namespaces(const model::snapshot& namespaces) {
  auto out = std::make_shared<std::map<std::string, bool, std::less<>>>();
  namespaces.each("", [&](const model::document_ptr& ns) { return out->emplace(ns->name(), !ns->deleting()), true; });
  return out;
}

api_error storage_refusal(const storage::outcome& got, const model::schema::kind& kind, std::string_view name) {
  using what = storage::outcome::kind;
  switch (got.what) {
    case what::too_large: return too_large("the object is larger than the datastore takes: " + got.note);
    case what::overloaded: return too_many_requests("the datastore is busy: " + got.note, 1);
    case what::unavailable: return unavailable("the datastore is away: " + got.note);
    case what::no_space:
      return insufficient_storage("the datastore has no room left: it takes deletions, and other writes once there is room again (" + got.note + ")");
    case what::claimed: return unavailable("other servers take addresses faster than this one: " + got.note);
    case what::outcome_unknown: return timeout("the datastore did not say whether the write happened; read before writing again");
    default: return conflict(kind, name);
  }
}

std::vector<model::document_ptr> outlived(const model::snapshot& events, std::string_view oldest, std::size_t most) {
  const std::size_t surplus = events.size() > most ? events.size() - most : 0;
  std::vector<model::document_ptr> out;
  events.each("", [&](const model::document_ptr& item) {
    if (surplus > 0 || newest_time(item->text()) < oldest) out.push_back(item);
    return true;
  });
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a->modified() < b->modified(); });
  std::size_t number = 0;
  std::erase_if(out, [&](const model::document_ptr& item) { return number++ >= surplus && newest_time(item->text()) >= oldest; });
  return out;
}

}  // namespace troupe::apiserver
