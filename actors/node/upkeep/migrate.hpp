// `troupe datastore migrate`: the objects of a server that stands still into another engine. Blocks, for main's thread.
#pragma once
#include "actors/node/upkeep/reset.hpp"

namespace troupe::node {

/// `from`, `to`: "sqlite", "rocksdb", "etcd" (each the one below the data folder) or URLs of an etcd of others
/// ("https://HOST:2379,..."; the configuration's --datastore-*file belong to it). The source is only read; the target must
/// not be there (an etcd of others: must hold no key), and is there afterwards when everything was compared, never before.
result<reset_report> migrate_store(const rt::world& in, server_config config, const std::string& from, const std::string& to, const observer& tell);

}  // namespace troupe::node
