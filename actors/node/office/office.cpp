#include "actors/node/office/office.hpp"

#include "actors/apiserver/resources/claim_keeper.hpp"
#include "actors/controllers/accounts/accounts.hpp"
#include "actors/controllers/controllers.hpp"
#include "actors/controllers/default_roles/default_roles.hpp"
#include "actors/controllers/endpoints/endpoints.hpp"
#include "actors/controllers/node_ipam/node_ipam.hpp"
#include "actors/controllers/servers.hpp"
#include "actors/controllers/service_lb/service_lb.hpp"
#include "actors/controllers/signing/signing.hpp"
#include "actors/controllers/workshop/workshop.hpp"
#include "actors/scheduler/scheduler.hpp"

namespace troupe::node {

std::vector<caf::strong_actor_ptr> open_office(const rt::world& in, const office_needs& with) {
  std::vector<caf::strong_actor_ptr> out;
  const auto hold = [&out](const auto& made) { out.push_back(caf::actor_cast<caf::strong_actor_ptr>(made)); };
  const auto api = with.client_as("system:kube-controller-manager", {"system:masters"});
  hold(controllers::make_namespaces(in, api));
  hold(controllers::make_accounts(in, api, with.trust));
  hold(controllers::make_default_roles(in, api));
  hold(controllers::make_workshop(in, {}, api));
  hold(scheduler::make_scheduler(in, {}, with.client_as("system:kube-scheduler", {"system:masters"})));
  hold(controllers::make_token_cleaner(in, api));
  hold(controllers::make_signing(in, {with.client_ca, with.server_ca, with.config.certificate_life}, api));
  // The pod network.
  hold(controllers::make_endpoints(in, {}, api));
  hold(controllers::make_node_ipam(in, {with.config.cluster_cidr}, api));
  controllers::service_lb_config balancers;
  balancers.reserved = {with.config.https_port, with.config.kubelet_port};
  if (!with.config.disable_service_lb) hold(controllers::make_service_lb(in, balancers, api));
  controllers::node_life_config life;
  life.grace = with.config.node_grace;
  life.every = with.config.node_check_every;
  if (!with.config.disable_agent && !with.shared) life.own_node = with.node.text;
  hold(controllers::make_node_life(in, life, api, with.passwords));
  if (with.shared) hold(controllers::make_server_list(in, {}, api));
  if (with.shared) hold(apiserver::make_claim_keeper(in, {}, with.shard));
  hold(controllers::make_etcd_members(in, api, with.members));
  return out;
}

}  // namespace troupe::node
