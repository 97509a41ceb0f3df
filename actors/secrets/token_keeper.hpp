// Makes the keeper of a cluster's token and authorities: the one who sees to it that all servers of one datastore have the same.
// Both lie in the bootstrap data, which is kept under the token; authorities hold from a server's next start on. Scheduled actor; one per server of a shared store. The token that holds stands in the store under token_key, sealed under what only
// servers have (their authority's key), so that a server that was away when it was changed finds the new one there.
#pragma once
#include <functional>

#include "actors/datastore/messages.hpp"
#include "actors/runtime/world.hpp"
#include "actors/secrets/messages.hpp"
#include "actors/secrets/seals.hpp"

namespace troupe::secrets {

inline constexpr const char* bootstrap_prefix = "/bootstrap/";
inline constexpr const char* token_key = "/bootstrap/token";

/// What the record is sealed under; `ca_key` is the PEM of the server authority's key.
secret_text token_seal(net::tls::issuer& issuer, const secret_text& ca_key);

struct following_due {};
using token_keeper_actor = rt::handle<passwords_changed(change_token), bool(replace_authorities), void(datastore::changes_published), void(following_due)>;

/// What bootstrap data in the datastore means for this server's authorities.
enum class heard : std::uint8_t {
  known,    ///< They are its own, or wait for its next start already.
  staged,   ///< They are newer, and wait for its next start from now on.
  stale,    ///< They are older than its own: the data is to be written anew.
};

struct token_config {
  secret_text now;                                                                     ///< The password of servers.
  secret_text seal;                                                                    ///< token_seal().
  other_seals others = {};                                                             ///< Seals of authorities before and after this server's.
  std::function<result<secret_text>(const secret_text& given)> check;                  ///< The password that a token means; `invalid` when it cannot be one.
  std::function<std::string(const secret_text& password)> key;                         ///< Where bootstrap data under it is kept.
  /// Creates it there, with `replaced` (files as `judge` answers them) in it; null: with what waits for the next start.
  std::function<result<storage::operation>(const secret_text& password, const json& replaced)> bootstrap;
  std::function<result<json>(const json& offered, bool force)> judge;                  ///< Other authorities: the files to replace. Reads files.
  std::function<result<void>(const json& replaced)> stage;                             ///< Keeps them for the next start. Blocks for files.
  std::function<result<heard>(const secret_text& password, std::string_view sealed)> take;   ///< Bootstrap data has come by. Blocks for files.
  std::function<result<passwords_changed>(const secret_text& password)> apply;         ///< Writes it down and tells who compares with it. Blocks for files.
  duration retry = std::chrono::seconds(2);
};
token_keeper_actor make_token_keeper(const rt::world& in, token_config config, datastore::writer_actor store);

}  // namespace troupe::secrets

RT_MESSAGE(troupe::secrets::following_due)
