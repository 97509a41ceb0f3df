// What the servers of one datastore have agreed on about the keys of Secrets, and how it becomes another: the record that lies in
// the datastore, sealed under what only servers have, and what each server has said that it holds by. Pure.
#pragma once
#include <string>
#include <string_view>

#include "actors/secrets/encryption.hpp"

namespace troupe::secrets {

// Below a prefix of our own: under /bootstrap/ lies what belongs to a token, and goes with it.
inline constexpr const char* keys_prefix = "/troupe/secrets/";
inline constexpr const char* keys_key = "/troupe/secrets/keys";
inline constexpr const char* keys_servers_prefix = "/troupe/secrets/servers/";   ///< + node: digest of the record it holds by.

// A change goes through stages, each a record of its own:
//
//   prepare            everyone can read what the next key writes; written is as before
//   reencrypt_active   everyone writes by the next key; what is stored otherwise is stored anew
//   reencrypt_finished nothing is stored otherwise; keys that do not write are gone
//
// A stage is left when every server has said that it holds by it.
struct key_record {
  encryption keys;              ///< To hold by now.
  std::string stage;
  std::string next_key;         ///< In `prepare`: the name of the key, among `keys`, that writes in the next stage ...
  bool next_enabled = true;     ///< ... and whether anything is encrypted then.

  bool finished() const { return stage == stage_start || stage == stage_finished; }
};

/// It holds the keys: seal it.
std::string render_record(const key_record& what);
/// `invalid` when it is none.
result<key_record> parse_record(std::string_view text);

/// The first record on the way from `now` (null: nothing was ever encrypted) to `wanted`, whose first key shall write.
key_record first_record(const encryption* now, const encryption& wanted);
/// The record after one that is not finished.
key_record next_record(key_record now);

}  // namespace troupe::secrets
