#include "tests/harness/servers/object_clients.hpp"

#include <set>

namespace troupe::harness {
namespace {
constexpr unsigned keys = 4;
std::string path_of(const std::string& key) { return collection + "/" + key; }
}  // namespace

object_clients::object_clients(cluster& c, rng dice, const std::vector<std::string>& servers) : c_(c), dice_(dice) {
  for (const auto& server : servers)
    for (int i = 0; i < 2; ++i) clients_.push_back({server, server + "/" + std::to_string(i), {}});
  for (std::size_t i = 0; i < clients_.size(); ++i) later(i);
}

void object_clients::read_all(const std::string& server) {
  for (unsigned k = 0; k < keys; ++k) {
    ++reading_;
    begin(server, "last reader at " + server, entry::kind::read, "k" + std::to_string(k), {}, [this](const entry& got) {
      --reading_;
      if (got.outcome != entry::said::committed) ++unread_;
    });
  }
}

void object_clients::later(std::size_t which) {
  c_.run().plan().in(std::chrono::milliseconds(100 + dice_.below(1200)), [this, which] { act(which); });
}

void object_clients::act(std::size_t which) {
  if (stopped_) return;
  auto& me = clients_[which];
  const auto key = "k" + std::to_string(dice_.below(keys));
  const auto& seen = me.seen[key];
  const auto what = dice_.chance(35) ? entry::kind::read : seen.revision == 0 ? entry::kind::create : entry::kind::update;
  begin(me.server, me.name, what, key, seen.object, [this, which](const entry&) { later(which); }, &me.seen[key]);
}

void object_clients::begin(const std::string& server, const std::string& name, entry::kind what, const std::string& key, json object,
                           std::function<void(const entry&)> then, known* learns) {
  entry one;
  one.client = name;
  one.key = key;
  one.what = what;
  one.start = ++clock_;
  client::api_call call;
  call.method = what == entry::kind::read ? "GET" : what == entry::kind::create ? "POST" : "PUT";
  call.path = what == entry::kind::create ? collection : path_of(key);
  if (what != entry::kind::read) {
    one.value = "v" + std::to_string(++values_);
    if (what == entry::kind::create) object = {{"metadata", {{"name", key}}}};
    else one.expected = std::stoll(text_or(dig(object, "metadata", "resourceVersion")));
    object["data"] = {{"v", one.value}};
    call.body = to_text(object);
  }
  const auto at = history_.size();
  history_.push_back(one);
  c_.call(server, std::move(call), [this, at, then = std::move(then), learns](const client::api_answer* got) {
    auto& mine = history_[at];
    if (got != nullptr) judge(mine, *got, learns);
    // Nobody answered: it may still be done, so it never ends. A read without an answer says nothing.
    then(mine);
  });
}

void object_clients::judge(entry& one, const client::api_answer& got, known* learns) {
  one.end = ++clock_;
  const auto object = parse_json(got.body);
  const bool read = one.what == entry::kind::read;
  if (got.ok() && object.ok()) {
    if (!got.warning.empty()) return void(one.outcome = entry::said::refused);   // it says itself that it may be old
    one.outcome = entry::said::committed;
    one.revision = std::stoll(text_or(dig(*object, "metadata", "resourceVersion")));
    if (read) one.value = text_or(dig(*object, "data", "v"));
    if (learns) *learns = {one.revision, *object};
  } else if (got.status == 404 && read) {
    if (!got.warning.empty()) return void(one.outcome = entry::said::refused);
    one.outcome = entry::said::committed;
  } else if (got.status == 404 && one.what == entry::kind::create) {
    one.outcome = entry::said::refused;   // the namespace: the cluster is being founded; it says nothing of the key
  } else if (got.status == 409 || got.status == 404) {
    one.outcome = entry::said::conflict;
    one.revision = got.status == 404 ? 0 : -1;
    one.value.clear();
    if (learns) learns->revision = one.what == entry::kind::create ? 0 : learns->revision;
  } else if (got.status == 504) {
    one.end = INT64_MAX;   // it may be applied after the answer
  } else {
    one.outcome = entry::said::refused;
    full += got.status == 507;
  }
}

std::string listed(const client::api_answer& got) {
  const auto object = parse_json(got.body);
  std::set<std::string> all;
  if (got.ok() && object.ok() && dig(*object, "subsets").is_array())
    for (const auto& subset : dig(*object, "subsets"))
      for (const auto& address : dig(subset, "addresses")) all.insert(text_or(dig(address, "ip")));
  std::string out;
  for (const auto& one : all) out += one + " ";
  return out;
}

}  // namespace troupe::harness
