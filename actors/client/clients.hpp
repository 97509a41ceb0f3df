// Makes the two kinds of api_actor; see messages.hpp.
#pragma once
#include <algorithm>
#include <vector>

#include <caf/actor_cast.hpp>

#include "actors/client/messages.hpp"
#include "actors/model/views/event.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::client {

/// Speaks to the API of this very process as `user`: the same authorizer decides about it.
api_actor make_local(const rt::world& in, api_actor gate, std::string user, std::vector<std::string> groups);

struct remote_config {
  endpoint at;                              ///< The balancer's address on this machine.
  std::string server_name;                  ///< What the server's certificate must cover.
  std::string trust;                        ///< PEM of the server CA.
  net::tls::identity self;
  duration dial_limit = std::chrono::seconds(5);
  duration answer_limit = std::chrono::seconds(20);
  std::size_t waiting_max = 1000;           ///< Calls that wait for the connection; more is `overloaded`.
};
/// Speaks to a server over HTTPS: one connection for calls, kept alive, and one per watch. Pinned.
/// A call that was cut after it was sent fails with outcome_unknown, unless it only reads: then it
/// is repeated once.
remote_actor make_remote(const rt::world& in, remote_config config);

/// Lists `path` (a collection, without query), then watches it, and tells `to` what there is and what
/// changes. Lists again, with a delay that grows to 30 s, whenever the watch cannot go on.
enum class keeping : std::uint8_t { all, names };
struct reflector_config {
  std::string path;
  std::string selector;                     ///< Further query, e.g. "fieldSelector=...", may be empty.
  bool metadata_only = false;               ///< Keeps and passes on of each object what it is called and its metadata.
  /// What it remembers of an object between a list and the next. Of `names`, object_lost may tell no more of an object than its
  /// name, namespace, uid and annotations.
  keeping keep = keeping::all;
};
rt::handle<void(watch_event)> make_reflector(const rt::world& in, reflector_config config, api_actor api,
                                             reflected_actor to);

/// Which of `all` sent the message in hand, for who follows many kinds: what reflectors say has one form for all. all.size()
/// when it is none of them. Only inside a message handler of `self`.
template <class Self>
std::size_t source_among(Self* self, const std::vector<watcher_actor>& all) {
  const auto& who = self->current_sender();
  const auto found = std::ranges::find_if(all, [&](const auto& one) { return who && caf::actor_cast<caf::strong_actor_ptr>(one) == who; });
  return static_cast<std::size_t>(found - all.begin());
}

/// Says an Event to the API, in whatever way its caller calls that: `call(method, path, body, type, then)` asks the API and gives
/// `then` its answer. Events are news, not state: one that does not get through is not said again. One whose count is to be raised
/// and that has expired meanwhile is made anew, with its count.
template <class Call>
void say_event(model::told_event what, Call call) {
  const auto path = model::events_path(what.event);
  auto make = [call, path](const json& event) { call("POST", path, event, "application/json", [](const api_answer&) {}); };
  if (!what.again) return make(what.event);
  const auto one = path + "/" + text_or(dig(what.event, "metadata", "name"));
  const auto patch = model::event_again(what.event);
  call("PATCH", one, patch, "application/merge-patch+json", [make, event = std::move(what.event)](const api_answer& got) {
    if (got.status == 404) make(event);
  });
}

}  // namespace troupe::client
