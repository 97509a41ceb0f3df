#include "tests/harness/pod_api.hpp"

namespace troupe::testing {
namespace {
std::string key_of(const json& pod) { return text_or(dig(pod, "metadata", "namespace")) + "/" + text_or(dig(pod, "metadata", "name")); }

/// Lists that merge carry a directive; without it they are the list.
void drop_directives(json& in) {
  for (auto& one : in) {
    if (one.is_object()) drop_directives(one);
    if (!one.is_array()) continue;
    json kept = json::array();
    for (auto& each : one)
      if (!dig(each, "$patch").is_string()) kept.push_back(each);
    one = kept;
  }
}
client::api_answer good(const json& body, int status = 200) { return {status, to_text(body)}; }
client::api_answer absent() { return {404, R"({"kind":"Status","message":"not found"})"}; }
}  // namespace

void pod_store::publish(const std::string& type, const json& pod) {
  for (const auto& watch : script->watches) rt::post(watch.to, client::watch_event{watch.watch, type, std::make_shared<const json>(pod)});
}

void pod_store::put(json pod) {
  const auto key = key_of(pod);
  const bool fresh = !pods_.contains(key);
  pod["metadata"]["resourceVersion"] = std::to_string(++revision_);
  const auto& kept = pods_[key] = std::move(pod);
  publish(fresh ? "ADDED" : "MODIFIED", kept);
}

void pod_store::remove(const std::string& key) {
  const auto found = pods_.find(key);
  if (found == pods_.end() || dig(found->second, "metadata", "deletionTimestamp").is_string()) return;
  auto pod = found->second;
  pod["metadata"]["deletionTimestamp"] = to_rfc3339(calendar->now());
  pod["metadata"]["deletionGracePeriodSeconds"] = dig(pod, "spec", "terminationGracePeriodSeconds");
  put(std::move(pod));
}

void pod_store::vanish(const std::string& key) {
  const auto found = pods_.find(key);
  if (found == pods_.end()) return;
  auto pod = found->second;
  pods_.erase(found);
  pod["metadata"]["resourceVersion"] = std::to_string(++revision_);
  publish("DELETED", pod);
}

client::api_answer pod_store::list() const {
  json items = json::array();
  for (const auto& [key, pod] : pods_) items.push_back(pod);
  return good({{"metadata", {{"resourceVersion", std::to_string(revision_)}}}, {"items", std::move(items)}});
}

std::optional<result<client::api_answer>> pod_store::answer(const client::api_call& ask) {
  const bool event = ask.path.find("/events") != std::string::npos;
  if (event && deaf) return fail(errc::unavailable, "nobody is there");
  const bool not_heard = !event && dice.chance(lost);
  if (not_heard && dice.chance(50)) return fail(errc::unavailable, "the API is away");
  auto got = [&]() -> client::api_answer {
    if (ask.path.starts_with("/api/v1/pods")) return list();
    const auto body = parse_json(ask.body);
    if (event) {
      if (ask.method == "POST") events.push_back(*body), reasons.insert(text_or(dig(*body, "involvedObject", "uid")) + "/" + text_or(dig(*body, "reason")));
      return good(*body, 201);
    }
    if (ask.method == "POST" && ask.path.ends_with("/pods")) {
      if (pods_.contains(key_of(*body))) return {409, "{}"};
      auto pod = *body;
      pod["metadata"]["uid"] = "made-" + std::to_string(revision_);
      put(std::move(pod));
      return good(pods_.at(key_of(*body)), 201);
    }
    if (const auto found = others.find(ask.path); found != others.end()) return good(found->second);
    constexpr std::string_view prefix = "/api/v1/namespaces/", middle = "/pods/";
    const auto at = ask.path.find(middle);
    if (at == std::string::npos || !ask.path.starts_with(prefix)) return absent();
    auto name = ask.path.substr(at + middle.size());
    const bool status = name.ends_with("/status");
    if (status) name.resize(name.size() - 7);
    const auto key = ask.path.substr(prefix.size(), at - prefix.size()) + "/" + name;
    const auto found = pods_.find(key);
    if (found == pods_.end()) return absent();
    const auto uid = text_or(dig(found->second, "metadata", "uid"));
    if (ask.method == "PATCH" && status) {
      if (text_or(dig(*body, "metadata", "uid"), uid) != uid) return {409, "{}"};
      auto pod = found->second;
      auto next = dig(*body, "status");
      drop_directives(next);
      pod["status"].update(next);
      put(pod);
      return good(pod);
    }
    if (ask.method == "DELETE") {
      if (text_or(dig(*body, "preconditions", "uid"), uid) != uid) return {409, "{}"};
      vanish(key);
      return good(json::object());
    }
    return good(found->second);
  }();
  if (not_heard) return fail(errc::outcome_unknown, "the answer was lost");
  return got;
}

client::api_actor make_pod_api(stage& on, const std::shared_ptr<pod_store>& store) {
  store->calendar = &on.calendar;
  store->script->on_call = [kept = std::weak_ptr(store)](const client::api_call& ask) -> api_script::reply {
    const auto store = kept.lock();
    if (!store) return fail(errc::unavailable, "the test is over");
    return store->answer(ask);
  };
  return caf::actor_cast<client::api_actor>(make_fake_api(on, store->script));
}

}  // namespace troupe::testing
