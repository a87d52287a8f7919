; recovery: an error over f1 >= D > 0 is at most the error over D, D the larger of two bounds
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const below Real)
(declare-const f1 Real)
(declare-const jensen Real)
(declare-const t Real)
(declare-const z Real)
(assert (>= f1 below))
(assert (>= f1 jensen))
(assert (> below 0.0))
(assert (>= jensen below))
(assert (>= t 0.0))
(assert (<= (* f1 z) t))
; the conclusion, negated
(assert (not (<= (* jensen z) t)))
(check-sat)
