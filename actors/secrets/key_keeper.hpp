// Makes the keeper of a cluster's keys: the one who sees to it that all servers of one datastore read and store Secrets by the
// same keys while those change. Scheduled actor; one per server of a shared store. What was agreed on lies in the store
// (key_record.hpp), so that a server that was away when keys changed finds them there before it reads its first Secret.
#pragma once
#include "actors/client/messages.hpp"
#include "actors/datastore/messages.hpp"
#include "actors/runtime/world.hpp"
#include "actors/secrets/key_record.hpp"
#include "actors/secrets/messages.hpp"
#include "actors/secrets/seals.hpp"
#include "basis/ids.hpp"

namespace troupe::secrets {

/// What the record is sealed under; `ca_key` is the PEM of the server authority's key.
secret_text keys_seal(net::tls::issuer& issuer, const secret_text& ca_key);

struct keys_config {
  std::string folder;                     ///< <data>/server: its files follow the record.
  node_name node;                         ///< This server.
  std::optional<encryption> now;          ///< As the files have it; empty: never enabled.
  secret_text seal;                       ///< keys_seal().
  other_seals others = {};                ///< Seals of authorities before and after this server's.
  duration retry = std::chrono::seconds(2);
  duration patience = std::chrono::seconds(10);   ///< With servers that do not say that they hold by a record, and with a record that cannot be read.
  duration takeover = std::chrono::seconds(20);   ///< After so long without progress (and up to as long again) others go on with it.
};
/// key keeper -> itself: try this again, or look whether there is something to go on with.
struct keys_due {
  enum class what : std::uint8_t { follow, begin, hold, read, advance };
  what why = what::advance;
};
using key_following_actor = rt::handle<encryption_told(tell_encryption), encryption_told(change_encryption), bool(learn_keys), void(datastore::changes_published), void(keys_due)>;

/// `api` answers whether a server's node is still wanted.
key_keeper_actor make_key_keeper(const rt::world& in, keys_config config, datastore::writer_actor store, rewriter_actor secrets, client::api_actor api);

}  // namespace troupe::secrets

RT_MESSAGE(troupe::secrets::keys_due)
