// Makes the keeper of a cluster's token: the one who sees to it that all servers of one datastore have the same. Scheduled
// actor; one per server of a shared store. The token that holds stands in the store under token_key, sealed under what only
// servers have (their authority's key), so that a server that was away when it was changed finds the new one there.
#pragma once
#include <functional>

#include "actors/datastore/messages.hpp"
#include "actors/runtime/world.hpp"
#include "actors/secrets/messages.hpp"

namespace troupe::secrets {

inline constexpr const char* bootstrap_prefix = "/bootstrap/";
inline constexpr const char* token_key = "/bootstrap/token";

/// What the record is sealed under; `ca_key` is the PEM of the server authority's key.
secret_text token_seal(net::tls::issuer& issuer, const secret_text& ca_key);

struct following_due {};
using token_keeper_actor = rt::handle<passwords_changed(change_token), void(datastore::changes_published), void(following_due)>;

struct token_config {
  secret_text now;                                                                     ///< The password of servers.
  secret_text seal;                                                                    ///< token_seal().
  std::function<result<secret_text>(const secret_text& given)> check;                  ///< The password that a token means; `invalid` when it cannot be one.
  std::function<std::string(const secret_text& password)> key;                         ///< Where bootstrap data under it is kept.
  std::function<result<storage::operation>(const secret_text& password)> bootstrap;    ///< Creates it there.
  std::function<result<passwords_changed>(const secret_text& password)> apply;         ///< Writes it down and tells who compares with it. Blocks for files.
  duration retry = std::chrono::seconds(2);
};
token_keeper_actor make_token_keeper(const rt::world& in, token_config config, datastore::writer_actor store);

}  // namespace troupe::secrets

RT_MESSAGE(troupe::secrets::following_due)
