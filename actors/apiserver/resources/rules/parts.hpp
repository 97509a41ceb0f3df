// The pieces that create, update and delete are made of: metadata, defaults, validation. Pure; objects have their
// stored form, `kind` is the kind that is stored.
#pragma once
#include <string>
#include <optional>
#include <string_view>
#include <vector>

#include "actors/apiserver/resources/rules/write.hpp"

namespace troupe::apiserver::rules {

using causes = std::vector<cause>;

inline constexpr std::size_t annotations_bytes_max = 256 * 1024;
inline constexpr std::size_t data_bytes_max = 1024 * 1024;

/// "" or why a name is not of that form, in upstream's words.
std::string name_problem(std::string_view name, schema::name_rule rule);
/// Checks what every object's metadata must keep to.
void check_metadata(const schema::kind& kind, const json& metadata, causes& out);

/// Fills in OpenAPI's defaults of a message, where its parent is present.
void fill_schema_defaults(json& value, const schema::message& as);
/// Fills in schema defaults and what only code knows (4.3 of the facts). `creating`: nothing is stored yet.
void fill_defaults(const schema::kind& kind, json& object, bool creating);
void fill_pod_defaults(json& pod);
/// What a pod's template gets: a pod's defaults without those that are computed for the pod itself.
void fill_template_defaults(json& pod);
/// Kinds of workloads/ and policies/; false when this is none of them.
bool fill_workload_defaults(const schema::kind& kind, json& object, bool creating);
bool fill_policy_defaults(const schema::kind& kind, json& object, bool creating);
/// What a creation gets from who makes it and from the identity it was given: a Job's selector, a request's user.
void complete_creation(const schema::kind& kind, json& object, const write_context& ctx);
/// The status that a creation begins with; null JSON when it begins with none.
json initial_status(const schema::kind& kind);
/// status of a pod that was just made: phase and quality of service.
json initial_pod_status(const json& pod);

/// Checks an object on its own.
void check_object(const schema::kind& kind, const json& object, causes& out);
/// Checks what may not change.
void check_change(const schema::kind& kind, const json& old, const json& now, causes& out);
void check_service(const json& object, causes& out);
void check_service_change(const json& old, const json& now, causes& out);
void check_endpoints(const json& object, causes& out);
void check_endpoint_slice(const json& object, causes& out);
void check_pod(const json& object, causes& out);
/// Of a pod or a template; `under` is where it stands.
void check_pod_spec(const json& spec, const std::string& under, causes& out);
/// Kinds of workloads/ and policies/; false when this is none of them.
bool check_workload(const schema::kind& kind, const json& object, causes& out);
bool check_policy(const schema::kind& kind, const json& object, causes& out);
/// Of a Job's spec: indexes, podFailurePolicy, successPolicy.
void check_job_policies(const json& spec, const std::string& under, causes& out);
void check_workload_change(const schema::kind& kind, const json& old, const json& now, causes& out);
void check_policy_change(const schema::kind& kind, const json& old, const json& now, causes& out);
void check_pod_change(const json& old, const json& now, causes& out);

/// The object's metadata; made when there is none.
json& metadata_of(json& object);
std::int64_t number_or(const json& value, std::int64_t otherwise);
/// The member, or an empty array or object: for walking lists that may be absent.
const json& list_of(const json& object, const char* key);

}  // namespace troupe::apiserver::rules
