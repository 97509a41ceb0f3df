// Between the API's gate, which faces the network, and the kind keepers, which own the objects.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "actors/apiserver/auth/authorizer.hpp"
#include "actors/apiserver/router.hpp"
#include "actors/certificates/messages.hpp"
#include "actors/client/messages.hpp"
#include "actors/datastore/messages.hpp"
#include "actors/front/messages.hpp"
#include "actors/model/snapshot.hpp"
#include "actors/secrets/messages.hpp"
namespace troupe::apiserver {

/// gate -> kind keeper: create, update, patch, remove or remove_collection. Answers written.
struct write_object {
  std::shared_ptr<const target> what;
  std::string body, content_type;
  user_info user;
  admission admit = {};
};
/// kind keeper -> gate. What was refused is an answer too.
struct written {
  std::variant<model::document_ptr, std::string, api_error> answer;  ///< Object, Status text, refusal.
  bool created = false;
  std::vector<std::string> warnings;
};
/// One change of one object as watchers see it; `before` is null when it is new, `now` when it is gone.
struct object_change {
  model::revision_number at = 0;
  model::document_ptr before, now;
  model::document_ptr last;          ///< Gone: the last state at the deletion's revision.
};
/// kind keeper -> gate: what changed, in order, and everything there is now.
struct changes_applied {
  std::uint16_t kind = 0;
  std::shared_ptr<const std::vector<object_change>> changes;
  model::snapshot all;
  model::revision_number head = 0;
};
using change_sink_actor = rt::handle<void(changes_applied)>;
/// namespace keeper -> other keepers: whether objects may be created there.
struct namespaces_changed { std::shared_ptr<const std::map<std::string, bool, std::less<>>> active; };
/// gate -> keeper: answers a revision not older than anything committed before the ask, once all up to it is applied.
struct catch_up {};
/// node -> keeper: load everything and tell `to` of it and of every later change. Answers the revision.
struct start_keeping { change_sink_actor to; };
struct expiry_due {};   ///< keeper -> itself: events that outlived their time go.
/// keeper -> itself: a write that met what looked like an old cache; without one: everything shall be read anew.
struct attempt_due { std::shared_ptr<void> job; };

using kind_keeper_actor =
    rt::handle<written(write_object), model::revision_number(catch_up), model::revision_number(start_keeping),
               void(datastore::changes_published), void(namespaces_changed), void(attempt_due), void(expiry_due),
               bool(secrets::use_envelope), secrets::rewritten(secrets::rewrite_stale)>;

struct minute_passed {};   ///< gate -> itself: bookmarks are due.
/// timers and exchanges -> gate: a watch has lived long enough, or its client is gone.
struct watch_over { std::uint16_t kind = 0; std::uint64_t watch = 0; bool in_order = false; };
using gate_actor =
    rt::handle<void(front::request_arrived), void(changes_applied), client::api_answer(client::api_call),
               void(client::open_watch), void(client::close_watch), void(watch_over), void(minute_passed),
               void(datastore::standing_told), void(secrets::passwords_changed), void(certificates::identity_renewed)>;

}  // namespace troupe::apiserver

RT_MESSAGE(troupe::apiserver::write_object)
RT_MESSAGE(troupe::apiserver::written)
RT_MESSAGE(troupe::apiserver::changes_applied)
RT_MESSAGE(troupe::apiserver::namespaces_changed)
RT_MESSAGE(troupe::apiserver::catch_up)
RT_MESSAGE(troupe::apiserver::start_keeping)
RT_MESSAGE(troupe::apiserver::expiry_due)
RT_MESSAGE(troupe::apiserver::attempt_due)
RT_MESSAGE(troupe::apiserver::watch_over)
RT_MESSAGE(troupe::apiserver::minute_passed)
