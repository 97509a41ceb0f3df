// The container runtime of this node, for everybody who runs pods on it.
#pragma once
#include <memory>

#include "actors/cri/request.hpp"
#include "actors/runtime/handle.hpp"
#include "basis/result.hpp"

namespace troupe::cri {

/// kubelet -> edge: do this. Answers the reply of its kind (request.hpp); fails as the port does (net/cri/runtime.hpp).
struct perform { request what; };
struct outcome { reply what; };
/// runtime -> edge, from a thread of its client.
struct call_settled { std::uint64_t ticket = 0; std::shared_ptr<result<reply>> what; };
using runtime_actor = rt::handle<outcome(perform)>;
using edge_actor = rt::handle<outcome(perform), void(call_settled)>;

/// keeper of containerd -> its owner, once per life of containerd: it answers and what was to be imported is there.
struct runtime_up { std::string version; };
/// The same when it is gone or does not come; said at each change of the reason.
struct runtime_down { std::string why; };
using runtime_owner_actor = rt::handle<void(runtime_up), void(runtime_down)>;
/// node -> keeper: end containerd; what it runs goes on. Answers when it has gone.
struct end_runtime {};
/// keeper -> itself.
struct begin_due { std::uint64_t run = 0; };
struct child_said { std::uint64_t run = 0; std::string line; };
struct child_ended { std::uint64_t run = 0; std::string why; };
struct import_ended { std::uint64_t run = 0; std::string why; };   ///< Empty: it went well.
using keeper_actor = rt::handle<bool(end_runtime), void(begin_due), void(child_said), void(child_ended), void(import_ended)>;

}  // namespace troupe::cri

RT_MESSAGE(troupe::cri::perform)
RT_MESSAGE(troupe::cri::outcome)
RT_MESSAGE(troupe::cri::call_settled)
RT_MESSAGE(troupe::cri::runtime_up)
RT_MESSAGE(troupe::cri::runtime_down)
RT_MESSAGE(troupe::cri::end_runtime)
RT_MESSAGE(troupe::cri::begin_due)
RT_MESSAGE(troupe::cri::child_said)
RT_MESSAGE(troupe::cri::child_ended)
RT_MESSAGE(troupe::cri::import_ended)
