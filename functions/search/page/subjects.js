/* Common subjects of photos: candidates of example queries, and labels where the index has no label set. */

export const SUBJECTS = [
  "a dog", "a cat", "a bird", "a horse", "a cow", "a wild animal", "an insect", "a fish", "a flower", "a tree",
  "a forest", "a mountain", "a beach", "the sea", "a lake", "a waterfall", "a desert", "snow", "a sunset", "the night sky",
  "a portrait of a person", "a group of people", "a child", "a crowd", "food on a plate", "fruit", "a cake", "a drink",
  "a castle", "a church", "a tower", "a bridge", "a house", "a city street", "a skyscraper", "a temple", "a room with furniture",
  "a chair", "a table", "a kitchen", "a car", "a bicycle", "a train", "a ship", "an airplane", "a boat", "a musical instrument",
  "a tool", "a computer", "a book", "a clock", "a bag", "shoes", "clothes", "jewelry", "a toy", "a ball", "a sport",
  "a document with text", "a screenshot", "a drawing", "a painting", "a diagram", "a map",
];
