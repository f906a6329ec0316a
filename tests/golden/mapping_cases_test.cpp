// Runs the worked cases of layer mappings: tables, transport, and, on the host, the losses in which a layer chooses for
// itself.
#include "golden/attended_cases.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "catch.hpp"
#include "golden/loss_case.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/mappings/any_mapping.hpp"
#include "limbeck/mappings/transport.hpp"

namespace {

using limbeck::index;
using limbeck_test::loss_case;
using limbeck_test::loss_outcome;
using limbeck_test::tensor;

// --- Tables, by `teacher layers_student layers`, then by mapping; layers count from 1.

template <class Visit>
void for_each_table(const loss_case& c, Visit&& visit) {
  for (const auto& [depths, by_name] : c.json.at("outputs").at("tables").members())
    for (const auto& [name, table] : by_name.members()) visit(depths, name, table);
}

void check_table(const std::string& sizes, const std::string& name, const limbeck::json_value& table) {
  INFO(sizes << " " << name);
  const limbeck::depths d{std::stoul(sizes.substr(sizes.find('_') + 1)), std::stoul(sizes)};
  std::vector<std::vector<std::size_t>> got;  // a list of teacher layers for each student layer
  limbeck::parse_mapping(name)(d, [&](limbeck::layer_pair p) {
    got.resize(std::max(got.size(), p.student + 1));
    got[p.student].push_back(p.teacher + 1);
  });
  if (name == "block") {
    CHECK(got == table.as<std::vector<std::vector<std::size_t>>>());
    return;
  }
  std::vector<std::vector<std::size_t>> want;
  for (const std::size_t layer : table.as<std::vector<std::size_t>>()) want.push_back({layer});
  CHECK(got == want);
}

struct mapping_tables {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    for_each_table(c, check_table);
    return {.value = {}, .grads = {}, .outputs = {}, .compared = true};
  }
};

// --- Transport.

struct transported {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const auto numbers = [&](const char* key) {
      const auto rounded = c.input(key).as<A>();
      return std::vector<double>(rounded.begin(), rounded.end());
    };
    const auto shape = c.input("cost").shape;
    const limbeck::layer_table cost({static_cast<std::size_t>(shape.at(0)), static_cast<std::size_t>(shape.at(1))},
                                    numbers("cost"));
    const limbeck::layer_weights weights{numbers("student_weight"), numbers("teacher_weight")};
    const auto plan = limbeck::optimal_transport(cost, weights);
    const auto next = limbeck::cost_attention(plan, cost, weights);
    limbeck::layer_table flow(cost.size());
    for (const limbeck::layer_pair& p : plan.pairs) flow(p.student, p.teacher) = p.weight;
    return {{},
            {},
            {{"emd", tensor({}, std::vector<double>{plan.cost})},
             {"flow", tensor(shape, flow.entries())},
             {"next_student_weight", tensor({shape[0]}, next.student)},
             {"next_teacher_weight", tensor({shape[1]}, next.teacher)}}};
  }
};

const bool mapping_known = limbeck_test::runs_loss("layer_map", mapping_tables{}) &&
                           limbeck_test::runs_loss("emd_layer_mapping", transported{});

}  // namespace
