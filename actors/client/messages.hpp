// How everyone inside reads and writes objects. A local actor answers on a server, a remote one goes
// over HTTP through the balancer; whoever holds an api_actor cannot tell which.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "actors/runtime/handle.hpp"
#include "basis/json.hpp"
#include "net/tls/tls.hpp"

namespace troupe::client {

/// One request to the Kubernetes API. `path` holds the query too.
struct api_call {
  std::string method, path;
  std::string body;
  std::string content_type = "application/json";
  std::string user;                  ///< Who is asking; a remote client's certificate says it instead.
  std::vector<std::string> groups;
};
/// What the API said. A refusal is an answer too; an ask fails (unavailable, timeout,
/// outcome_unknown) only when there was none.
struct api_answer {
  int status = 0;
  std::string body;
  std::string warning = {};          ///< Of a server inside this process: its Warning header, as when what it knows may be old.
  bool ok() const { return status >= 200 && status < 300; }
};
/// One event of a watch; the last one has type "CLOSED" and says in `object.message` why.
struct watch_event {
  std::uint64_t watch = 0;           ///< The number given in open_watch.
  std::string type;                  ///< ADDED, MODIFIED, DELETED, BOOKMARK, ERROR, CLOSED.
  std::shared_ptr<const json> object;
};
using watcher_actor = rt::handle<void(watch_event)>;
/// anyone -> api. Streams events of `call.path` (which says watch=true) to `to` until close_watch.
struct open_watch {
  std::uint64_t watch = 0;
  api_call call;
  watcher_actor to;
};
struct close_watch { std::uint64_t watch = 0; watcher_actor to; };

using api_actor = rt::handle<api_answer(api_call), void(open_watch), void(close_watch)>;

/// node -> remote client: show this from the next connection on; what is open goes on.
struct use_identity { std::string trust; net::tls::identity self; };
using remote_actor = rt::handle<api_answer(api_call), void(open_watch), void(close_watch), void(use_identity)>;

/// reflector -> its owner: what list and watch come to. `key` is "namespace/name" or "name".
struct object_seen { std::string key; std::shared_ptr<const json> object; };   ///< Added or changed.
struct object_lost { std::string key; std::shared_ptr<const json> object; };   ///< Removed; its last state.
struct kind_synced {};                       ///< Everything that was there has been seen. Again after each relist.
using reflected_actor = rt::handle<void(object_seen), void(object_lost), void(kind_synced)>;

}  // namespace troupe::client

RT_MESSAGE(troupe::client::api_call)
RT_MESSAGE(troupe::client::api_answer)
RT_MESSAGE(troupe::client::watch_event)
RT_MESSAGE(troupe::client::open_watch)
RT_MESSAGE(troupe::client::close_watch)
RT_MESSAGE(troupe::client::use_identity)
RT_MESSAGE(troupe::client::object_seen)
RT_MESSAGE(troupe::client::object_lost)
RT_MESSAGE(troupe::client::kind_synced)
