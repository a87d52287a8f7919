; twin of flowar-wrap-turn: turning costs something: without the cosine it is false
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const c Real)
(declare-const cosine Real)
(declare-const p Real)
(assert (<= p 0.0))
(assert (>= c cosine))
(assert (>= cosine 0.0))
(assert (<= c 1.0))
; the witness
(assert (= c (/ 9.0 10.0)))
(assert (= cosine (/ 9.0 10.0)))
(assert (= p (- 1.0)))
; the conclusion, negated
(assert (not (<= (* c p) p)))
(check-sat)
(get-model)
