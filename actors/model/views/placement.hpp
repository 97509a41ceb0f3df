// Taints, tolerations and node affinity as pods and nodes carry them: who may be where, for the scheduler and for controllers
// that place pods themselves. Pure values.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "basis/json.hpp"

namespace troupe::model {

struct toleration {
  std::string key, value, effect;
  bool exists = false;               ///< Operator Exists: any value; without a key: any taint.
};
struct taint { std::string key, value, effect; };
/// One nodeSelectorTerm: all of it must hold. `fields` compares metadata.name.
struct node_term {
  struct test { std::string key, how; std::vector<std::string> values; };
  std::vector<test> labels, fields;
  std::int64_t weight = 0;           ///< Of a preference.
};

/// What of a pod's spec says where it may be.
struct placement {
  std::vector<toleration> tolerations;
  std::map<std::string, std::string> node_selector;
  bool has_affinity = false;
  std::vector<node_term> required, preferred;
};
placement read_placement(const json& pod_spec);
std::vector<toleration> read_tolerations(const json& list);
std::vector<taint> read_taints(const json& node);

bool tolerates(const std::vector<toleration>& list, const taint& what);
/// False for a term without tests.
bool term_matches(const node_term& term, const json& labels, const std::string& name);
/// Whether nodeSelector and required affinity let the pod on the node of these labels and this name.
bool selects_node(const placement& of, const json& labels, const std::string& name);

}  // namespace troupe::model
