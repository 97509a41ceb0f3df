// Who may say what about the cluster of servers: finding it, joining it, keeping its etcd.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/runtime/handle.hpp"
#include "basis/json.hpp"
#include "net/host/process.hpp"
#include "storage/cluster.hpp"

namespace troupe::membership {

/// server -> joiner: find the cluster; cluster_found or joining_refused follows.
struct start_joining {};
/// joiner -> server: what a second server needs to act as the same cluster (bootstrap.hpp).
struct cluster_found { std::shared_ptr<const json> bootstrap; };
/// joiner, keeper -> server: trying again is useless until somebody does what the sentence says.
struct joining_refused { std::string why; };

/// keeper, supervisor -> whoever knows them. Answers who is in the cluster; `unavailable` when nobody who knows answers.
struct list_members {};
struct member_list { std::vector<storage::member> members; };
using members_actor = rt::handle<member_list(list_members)>;

/// keeper -> server: etcd has a leader and this server votes.
struct datastore_ready { storage::etcd_access access; };
/// What the keeper is waiting for now, in words.
struct keeper_waits { std::string what; };
using owner_actor = rt::handle<void(cluster_found), void(joining_refused), void(datastore_ready), void(keeper_waits)>;

/// controllers -> keeper: take that member out of the cluster. Answers false when there is none; `invalid` when it is the
/// last one that votes.
struct remove_member { std::string name, address; };
/// server -> keeper: end etcd. Answers once it has ended.
struct end_keeping {};

/// joiner -> itself.
struct fetch_settled { std::uint64_t attempt = 0; int status = 0; std::string body, why, date; };
struct joiner_due {};
using joiner_actor = rt::handle<void(start_joining), member_list(list_members), void(fetch_settled), void(joiner_due)>;

/// etcd's process, cluster client, timer -> keeper.
struct etcd_said { std::uint64_t run = 0; std::string line; };
struct etcd_ended { std::uint64_t run = 0; net::process_end how; };
struct members_settled { std::uint64_t ticket = 0; std::shared_ptr<result<std::vector<storage::member>>> what; };
struct member_settled { std::uint64_t ticket = 0; std::shared_ptr<result<storage::member>> what; };
struct status_settled { std::uint64_t ticket = 0; std::shared_ptr<result<storage::member_status>> what; };
struct call_settled { std::uint64_t ticket = 0; std::shared_ptr<result<void>> what; };
struct look_due {};
struct restart_due {};
using keeper_actor =
    rt::handle<member_list(list_members), bool(remove_member), bool(end_keeping), void(etcd_said), void(etcd_ended),
               void(members_settled), void(member_settled), void(status_settled), void(call_settled), void(look_due),
               void(restart_due)>;
/// What those who remove members hold.
using remover_actor = rt::handle<bool(remove_member)>;

}  // namespace troupe::membership

RT_MESSAGE(troupe::membership::start_joining)
RT_MESSAGE(troupe::membership::cluster_found)
RT_MESSAGE(troupe::membership::joining_refused)
RT_MESSAGE(troupe::membership::list_members)
RT_MESSAGE(troupe::membership::member_list)
RT_MESSAGE(troupe::membership::datastore_ready)
RT_MESSAGE(troupe::membership::keeper_waits)
RT_MESSAGE(troupe::membership::remove_member)
RT_MESSAGE(troupe::membership::end_keeping)
RT_MESSAGE(troupe::membership::fetch_settled)
RT_MESSAGE(troupe::membership::joiner_due)
RT_MESSAGE(troupe::membership::etcd_said)
RT_MESSAGE(troupe::membership::etcd_ended)
RT_MESSAGE(troupe::membership::members_settled)
RT_MESSAGE(troupe::membership::member_settled)
RT_MESSAGE(troupe::membership::status_settled)
RT_MESSAGE(troupe::membership::call_settled)
RT_MESSAGE(troupe::membership::look_due)
RT_MESSAGE(troupe::membership::restart_due)
