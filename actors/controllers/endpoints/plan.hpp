// What Endpoints and EndpointSlices a Service should have, and which writes bring that about. Pure.
#pragma once
#include <string>
#include <vector>

#include "actors/controllers/endpoints/gather.hpp"

namespace troupe::controllers {

inline constexpr std::size_t slice_size_max = 100;          ///< Endpoints in one slice, as upstream's default.
inline constexpr std::size_t endpoints_addresses_max = 1000;   ///< In one Endpoints object; more are left out and it says so.

inline constexpr const char* service_label = "kubernetes.io/service-name";
inline constexpr const char* managed_label = "endpointslice.kubernetes.io/managed-by";
inline constexpr const char* slice_manager = "endpointslice-controller.k8s.io";
inline constexpr const char* endpoints_managed_label = "endpoints.kubernetes.io/managed-by";
inline constexpr const char* endpoints_manager = "endpoint-controller";

/// One write. `object` is whole; of an update it carries the resourceVersion it was made from.
struct planned_write {
  enum class kind : std::uint8_t { create, update, remove } what = kind::create;
  std::string name;
  json object;          ///< Null for removals.
};

/// What must be written so that the Endpoints of `service` are those of `pods`; empty when they are. `present` is null when
/// there are none yet.
std::vector<planned_write> plan_endpoints(const json& service, const pod_list& pods, const zone_map& zones, const json* present);

/// The same for slices. `present` are those of this Service that this controller manages, by name. Endpoints stay in the
/// slice they are in, so that a pod that comes or goes changes one slice.
std::vector<planned_write> plan_slices(const json& service, const pod_list& pods, const zone_map& zones,
                                       const std::vector<std::shared_ptr<const json>>& present);

}  // namespace troupe::controllers
