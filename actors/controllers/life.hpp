// What a node's silence or return comes to. No clock, no actor, no I/O.
#pragma once
#include <optional>
#include <string>

#include "basis/clock.hpp"
#include "basis/json.hpp"

namespace troupe::controllers {

enum class pulse : std::uint8_t { beating, silent };

/// "True", "False", "Unknown", or "" when the node has no Ready condition yet.
std::string readiness(const json& node);
/// The strategic merge patch of /status that declares a silent node Unknown; nothing when it says so already.
std::optional<json> status_change(const json& node, pulse heart, wall_time now);
/// The taints this node should have, given its readiness, its pressures and whether it is cordoned; nothing when it has them.
/// Others' taints stay.
std::optional<json> taint_change(const json& node, wall_time now);

/// Whether a Lease that was renewed just now says that its node's clock is further than clock_gap_max from `now`, either way.
bool clock_differs(std::string_view renewed, wall_time now);
inline constexpr duration clock_gap_max = std::chrono::minutes(1);

}  // namespace troupe::controllers
