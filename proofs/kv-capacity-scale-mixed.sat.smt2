; twin of kv-capacity-scale-mixed: 1 % more is false: one value up, another down by a step
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const Di Real)
(declare-const Dj Real)
(declare-const E Real)
(declare-const total Real)
(assert (> E 1.0))
(assert (>= Di 1.0))
(assert (<= Dj (- 1.0)))
; the witness
(assert (= Di 1.0))
(assert (= Dj (- 1.0)))
(assert (= E 2.0))
(assert (= total 0.0))
; the conclusion, negated
(assert (not (>= (ite (>= (ite (>= (+ total (* Di (+ (- 1.0) E))) 0.0) (+ total (* Di (+ (- 1.0) E))) (- (+ total (* Di (+ (- 1.0) E))))) (ite (>= (+ total (* Dj (+ (- 1.0) E))) 0.0) (+ total (* Dj (+ (- 1.0) E))) (- (+ total (* Dj (+ (- 1.0) E)))))) (ite (>= (+ total (* Di (+ (- 1.0) E))) 0.0) (+ total (* Di (+ (- 1.0) E))) (- (+ total (* Di (+ (- 1.0) E))))) (ite (>= (+ total (* Dj (+ (- 1.0) E))) 0.0) (+ total (* Dj (+ (- 1.0) E))) (- (+ total (* Dj (+ (- 1.0) E)))))) (+ (- (/ 101.0 100.0)) (* (/ 101.0 100.0) E)))))
(check-sat)
(get-model)
