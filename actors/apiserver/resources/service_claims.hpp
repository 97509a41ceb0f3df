// What a Service holds alone in the whole cluster, as keys of the datastore: "/registry/claims/addresses/10.43.0.7" and
// "/registry/claims/ports/30007", each holding the key of its Service. They are taken and given back in the same
// transaction as the Service is written (storage::claims), so two servers cannot grant one address. Only where servers
// share a store; docs/decisions/122. Pure.
#pragma once
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "actors/apiserver/resources/rules/service_allocation.hpp"
#include "storage/engine.hpp"

namespace troupe::apiserver {

inline constexpr std::string_view claims_prefix = "/registry/claims/";
/// Of one job, how often a Service asks again for any free address after another server was faster.
inline constexpr unsigned claim_tries_max = 24;

/// What the write of a Service takes and gives back; null when that is nothing. `owner` is the Service's key.
std::shared_ptr<const storage::claims> claims_of(const allocation_plan& plan, const allocation_grant& grant, std::string_view owner);

/// Why the very address or port that was asked for cannot be had, when `key` (which somebody else has) is one; else nothing:
/// then another will do.
std::optional<api_error> claim_refusal(const allocation_plan& plan, std::string_view key, std::string_view name);

/// What makes `claims` (all below claims_prefix) agree with `services` (all below their prefix), both as they are at one
/// revision: claims that are missing are made, those that nobody holds go, those of somebody else change hands. Each
/// compares with what it saw. Of two Services with one address the lesser key has it.
std::vector<storage::operation> claim_repairs(const storage::page& services, const storage::page& claims);

}  // namespace troupe::apiserver
