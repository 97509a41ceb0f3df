// The stores of a server that stands still, and what its snapshots are made with.
#pragma once
#include "actors/membership/etcd_child.hpp"
#include "actors/node/ground.hpp"
#include "actors/snapshots/keeper.hpp"

namespace troupe::node {

/// "sqlite", "rocksdb" or "etcd".
const char* engine_name(store kept_in);
/// Snapshots hold the cluster's files, sealed under the server's password when they are taken. Writes where the supervisor
/// listens to <data>/server/url, for the commands of this machine. Fails as files do.
result<snapshots::keeper_config> snapshots_for(const rt::world& in, const ground& on, const server_keys& keys);

/// <data>/server/db/state.db, .../rocks or .../etcd.
std::string store_path(const std::string& folder, store kind);
/// Whether there is data of that kind.
bool has_store(const net::files& files, const std::string& folder, store kind);
/// `already_exists` when another process uses it. Only looks: who goes back to a snapshot may have a store that no longer
/// opens.
result<void> ensure_idle(const rt::world& in, const std::string& folder, store kind);
/// Gives a store another name, SQLite's log with it.
result<void> move_store(net::files& files, store kind, const std::string& from, const std::string& to);
/// For an etcd of this server over the data at `path`.
membership::keeper_config member_config(const rt::world& in, const ground& on, const server_keys& keys, const std::string& path);

/// A store opened by a command. The engine goes before what it stands on.
struct opened_store {
  std::unique_ptr<membership::lone_etcd> child;
  std::unique_ptr<storage::engine> own;
  storage::engine& engine() { return child ? child->engine() : *own; }
};

/// Blocks for the engine's answer.
result<void> raise_and_verify(storage::engine& engine, storage::revision to);

}  // namespace troupe::node
