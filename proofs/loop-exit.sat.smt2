; twin of loop-exit: K in place of K/(1 - K) is false: K = 1/2
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const K Real)
(declare-const before Real)
(declare-const dist Real)
(declare-const nu Real)
(declare-const step Real)
(assert (>= K 0.0))
(assert (< K 1.0))
(assert (<= dist (+ nu (* K before))))
(assert (<= before (+ dist step)))
; the witness
(assert (= K (/ 1.0 2.0)))
(assert (= before 2.0))
(assert (= dist 1.0))
(assert (= nu 0.0))
(assert (= step 1.0))
; the conclusion, negated
(assert (not (<= dist (+ nu (* K step)))))
(check-sat)
(get-model)
