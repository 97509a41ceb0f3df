// Who may say what about Secrets at rest: between the vault, which owns the keys, the keeper of Secrets, which stores under
// them, and the supervisor, where an administrator asks.
#pragma once
#include <memory>

#include "actors/runtime/handle.hpp"
#include "basis/json.hpp"
#include "net/tls/envelope.hpp"

namespace troupe::secrets {

/// vault -> kind keeper: store and read under these from now on.
struct use_envelope { std::shared_ptr<const net::tls::envelope> what; };
/// vault -> kind keeper: store some of what is not stored as it would be now once more, unchanged. Answers how it stands
/// when all that was written before has arrived; `unavailable` when the datastore did not take it.
struct rewrite_stale {};
struct rewritten {
  std::size_t done = 0;          ///< Objects written now.
  std::size_t left = 0;          ///< Still stored otherwise.
  std::size_t unreadable = 0;    ///< Objects that no key opens.
};
/// What the vault holds of the keeper of Secrets.
using rewriter_actor = rt::handle<bool(use_envelope), rewritten(rewrite_stale)>;

/// supervisor -> vault. Answers the body of /v1-k3s/encrypt/status.
struct tell_encryption {};
/// supervisor -> vault: the body of PUT /v1-k3s/encrypt/config. Answers the new status once every Secret is stored
/// accordingly; `invalid` when that cannot be asked here, `overloaded` while another such change is going on.
struct change_encryption { json wanted; };
struct encryption_told { json status; };
/// supervisor -> vault: another password for servers, and for agents that had the same. Answers what holds from now on, when
/// it is on disk, on the other servers of the cluster shortly after; `invalid` when it cannot be one.
struct change_token { secret_text wanted; };
struct passwords_changed { secret_text server, agent; };
/// supervisor -> vault: other authorities for the cluster, as bootstrap data names and wraps files (membership/bootstrap.hpp). Answers
/// true when this server, and the datastore where others share it, have them; servers live by them from their next start on.
/// `invalid` when they cannot follow those that there are, `conflict` when others wait for a restart already.
struct replace_authorities { json offered; bool force = false; };
using token_changer_actor = rt::handle<passwords_changed(change_token), bool(replace_authorities)>;
/// server -> key keeper. Answers true when Secrets are read and stored by the keys that all servers have agreed on; `corrupt`
/// when what they agreed on cannot be read.
struct learn_keys {};
/// What a vault, and the server that makes it, hold of the keeper of a cluster's keys.
using key_keeper_actor = rt::handle<encryption_told(tell_encryption), encryption_told(change_encryption), bool(learn_keys)>;
/// vault -> itself: look for what is to be rewritten.
struct rewriting_due {};
using vault_actor = rt::handle<encryption_told(tell_encryption), encryption_told(change_encryption), passwords_changed(change_token),
                               bool(replace_authorities), void(rewriting_due)>;

}  // namespace troupe::secrets

RT_MESSAGE(troupe::secrets::use_envelope)
RT_MESSAGE(troupe::secrets::rewrite_stale)
RT_MESSAGE(troupe::secrets::rewritten)
RT_MESSAGE(troupe::secrets::tell_encryption)
RT_MESSAGE(troupe::secrets::change_encryption)
RT_MESSAGE(troupe::secrets::encryption_told)
RT_MESSAGE(troupe::secrets::change_token)
RT_MESSAGE(troupe::secrets::passwords_changed)
RT_MESSAGE(troupe::secrets::replace_authorities)
RT_MESSAGE(troupe::secrets::learn_keys)
RT_MESSAGE(troupe::secrets::rewriting_due)
