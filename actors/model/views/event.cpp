#include "actors/model/views/event.hpp"

namespace troupe::model {
namespace {

constexpr std::size_t message_max = 1024, name_max = 200;

/// FNV-1a, spelled in hexadecimal.
std::string digest(std::string_view text) {
  std::uint64_t sum = 14695981039346656037ULL;
  for (unsigned char c : text) sum = (sum ^ c) * 1099511628211ULL;
  constexpr char digits[] = "0123456789abcdef";
  std::string out(16, '0');
  for (std::size_t i = out.size(); i-- > 0; sum >>= 4) out[i] = digits[sum & 15];
  return out;
}

std::string identity_of(const json& object, const event_words& say) {
  return text_or(dig(object, "metadata", "uid")) + "/" + text_or(dig(object, "metadata", "name")) + "/" + say.component + "/" + say.reason + "/" + say.message;
}

}  // namespace

json event_about(const json& object, const event_words& say, wall_time now) {
  const auto& meta = dig(object, "metadata");
  const auto name = text_or(dig(meta, "name")), ns = text_or(dig(meta, "namespace")), uid = text_or(dig(meta, "uid"));
  const auto at = to_rfc3339(now);
  json about{{"kind", text_or(dig(object, "kind"))}, {"apiVersion", text_or(dig(object, "apiVersion"))}, {"name", name}, {"uid", uid}};
  if (!ns.empty()) about["namespace"] = ns;
  if (const auto version = text_or(dig(meta, "resourceVersion")); !version.empty()) about["resourceVersion"] = version;
  const auto mark = digest(identity_of(object, say) + "/" + std::to_string(now.time_since_epoch().count()));
  return {{"apiVersion", "v1"}, {"kind", "Event"},
          {"metadata", {{"name", name.substr(0, name_max) + "." + mark}, {"namespace", ns.empty() ? "default" : ns}}},
          {"involvedObject", std::move(about)}, {"reason", say.reason}, {"type", say.type}, {"message", say.message.substr(0, message_max)},
          {"source", {{"component", say.component}}}, {"reportingComponent", say.component}, {"reportingInstance", ""},
          {"firstTimestamp", at}, {"lastTimestamp", at}, {"count", 1}};
}

std::string events_path(const json& event) { return "/api/v1/namespaces/" + text_or(dig(event, "metadata", "namespace")) + "/events"; }

json event_again(const json& event) { return {{"count", dig(event, "count")}, {"lastTimestamp", dig(event, "lastTimestamp")}}; }

told_event event_counter::say(const json& object, const event_words& say, wall_time now) {
  told_event out{event_about(object, say, now)};
  const auto what = identity_of(object, say);
  if (known_.size() >= max_ && !known_.contains(what)) known_.clear();
  auto& one = known_[what];
  if (one.count++ == 0) {
    one.name = text_or(dig(out.event, "metadata", "name"));
    one.first = text_or(dig(out.event, "firstTimestamp"));
    return out;
  }
  out.again = true;
  out.event["metadata"]["name"] = one.name;
  out.event["firstTimestamp"] = one.first;
  out.event["count"] = one.count;
  return out;
}

}  // namespace troupe::model
